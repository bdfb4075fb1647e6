"""What the benchmarks of training compare: the same run, one lever after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from torch_afm.config import generator_config
from torch_afm.config.generators import PRESETS
from torch_afm.config.training import TrainConfig
from torch_afm.datasets import MoleculeDataset
from torch_afm.datasets.smi import embedded_smiles

#: Samples of an epoch: thirty-two molecules or scenes with all their mutants and copies, four batches of each
#: copy, so that one or two workers each keep what they render.
EPOCH = 32 * 32


@dataclass(frozen=True)
class Case:
    """A training run.

    Args:
        name: what is new in it.
        preset: the network.
        precision: of the network.
        mutants: of :class:`~torch_afm.config.training.TrainConfig`.
        copies: likewise.
        realistic: scenes, of which this share is measured as drawn; 0 shows molecules alone.
    """

    name: str
    preset: str = "spatial"
    precision: str = "bf16-mixed"
    mutants: int = 4
    copies: int = 8
    realistic: float = 0.0

    @property
    def known(self) -> bool:
        """Whether the package has the network."""
        return self.preset in PRESETS

    def config(self, workers: int = 1, threads: int = 1, epochs: int = 1) -> TrainConfig:
        """The settings of the run."""
        return TrainConfig(
            model=generator_config(self.preset),
            scenes=100_000 if self.realistic else 0,
            realistic=self.realistic,
            epochs=epochs,
            epoch_samples=EPOCH,
            mutants=self.mutants,
            copies=self.copies,
            precision=self.precision,
            accelerator="cpu",
            workers=workers,
            threads=threads,
            progress=False,
        )


#: The path of before, what was added to it one after the other, and the data that reality asks for.
CASES = {
    "a": Case("before: molecules alone, float32", precision="32-true", mutants=1, copies=1),
    "b": Case("+ bfloat16", mutants=1, copies=1),
    "c": Case("+ four mutants a reference", copies=1),
    "d": Case("+ eight symmetric copies"),
    "e": Case("+ realistic scenes", realistic=0.9),
    "f": Case("the same, preset scan", preset="scan", realistic=0.9),
}


def known_cases() -> list[str]:
    """The cases whose networks the package has; a line for each other one."""
    for key, case in CASES.items():
        if not case.known:
            print(f"{key}: no preset {case.preset}, left out", flush=True)
    return [key for key, case in CASES.items() if case.known]


def molecules(count: int) -> MoleculeDataset:
    """``count`` molecules, evenly out of the embedded list."""
    smiles = embedded_smiles()
    return MoleculeDataset([smiles[i] for i in np.linspace(0, len(smiles) - 1, count).astype(int)])


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU seconds of running processes (Linux)."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(f[11]) + int(f[12]) for f in fields) / os.sysconf("SC_CLK_TCK")


def run(module: str, *arguments: str, **environment: str) -> dict[str, Any]:
    """What one part of a benchmark prints last, run in a process of its own: threads of OpenCL and memory of
    the C library are settled when that starts."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True
    )
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row
