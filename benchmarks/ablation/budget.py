"""Training for so much time of CPU, whatever else the machine does, in any number of starts."""

from __future__ import annotations

import csv
import json
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from torch_afm.data import AFMData
from torch_afm.io.files import write_json
from torch_afm.train import TrainConfig, train
from torch_afm.train.run import last_checkpoint

#: Seconds between two readings of the meter.
_INTERVAL = 1.0

#: Share of what is left of a budget that the next piece of a training takes.
_SHARE = 0.9


class CpuMeter:
    """CPU seconds that this process and all those below it use, also of those that have ended since; of
    Linux. They are added to those in ``file``, and written there, so that none are lost where a process is
    killed.

    Args:
        file: a JSON file.
        every: called at each reading.
    """

    def __init__(self, file: Path, every: Callable[[], None] | None = None) -> None:
        self.file, self.every = file, every
        self._before = float(json.loads(file.read_text("utf-8"))["cpu_s"]) if file.exists() else 0.0
        self._used: dict[tuple[int, int], float] = {}
        self._lock, self._end = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> CpuMeter:
        self._start = process_seconds()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self.read()

    def read(self) -> float:
        """The seconds so far."""
        with self._lock:
            for process, seconds in process_seconds().items():
                self._used[process] = seconds - self._start.get(process, 0.0)
            total = self._before + sum(self._used.values())
            write_json(self.file, {"cpu_s": total})
        return total

    def _run(self) -> None:
        while not self._end.wait(_INTERVAL):
            self.read()
            if self.every is not None:
                self.every()


def process_seconds() -> dict[tuple[int, int], float]:
    """CPU seconds of this process and of those below it, by their numbers and starts."""
    parents, found = {}, {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            values = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:  # it ended a moment ago
            continue
        parents[int(folder.name)] = int(values[1])
        found[int(folder.name)] = (int(values[19]), int(values[11]) + int(values[12]))
    tick, me = os.sysconf("SC_CLK_TCK"), os.getpid()
    return {(pid, start): ticks / tick for pid, (start, ticks) in found.items() if me in _line(pid, parents)}


def _line(pid: int, parents: dict[int, int]) -> list[int]:
    """A process and those above it."""
    line = []
    while pid in parents and pid not in line:
        line.append(pid)
        pid = parents[pid]
    return line


def follow_parent() -> Callable[[], None]:
    """A function that ends this process where the one that started it has ended."""
    parent = os.getppid()

    def check() -> None:
        if os.getppid() != parent:
            os._exit(1)

    return check


def train_for(
    config: TrainConfig,
    minutes: float,
    molecules: list[AFMData] | None = None,
    every: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Train until so many minutes of CPU are used up, those of the workers and of earlier starts included,
    and those of epochs that were not finished.

    Whole epochs are trained, at least one, as many as come nearest to the budget.

    Args:
        config: the settings; ``epochs`` is no matter.
        minutes: of CPU.
        molecules: as of :func:`torch_afm.train.train`.
        every: called once a second or so.

    Returns:
        ``cpu_s``, ``epochs``, ``samples`` seen and ``val``, the validation loss of each epoch.
    """
    folder = Path(config.out)
    folder.mkdir(parents=True, exist_ok=True)
    with CpuMeter(folder / "cpu.json", every) as meter:
        done, saved = epochs_done(folder), 0
        used = meter.read()
        rate = used / done if done else None
        while not done or 60 * minutes - used > rate / 2:
            left = 60 * minutes - used
            done += max(1, int(_SHARE * left / rate)) if rate else 1
            first = epochs_done(folder)
            train(replace(config, epochs=done), molecules)
            saved = done
            used, before = meter.read(), used
            rate = (used - before) / (done - first)
        if not saved:
            # Nothing is left of the budget: of the weights of the last epoch that was finished.
            train(replace(config, epochs=done), molecules)
        used = meter.read()
    return {
        "cpu_s": used,
        "epochs": done,
        "samples": done * config.epoch_samples,
        "val": validation_losses(folder),
    }


def epochs_done(folder: Path) -> int:
    """Epochs that a training in this folder has finished."""
    checkpoint = last_checkpoint(folder)
    if checkpoint is None:
        return 0
    return int(torch.load(checkpoint, map_location="cpu", weights_only=True)["epoch"]) + 1


def validation_losses(folder: Path) -> list[float]:
    """The validation loss of each epoch, from the curves of all starts."""
    found: dict[int, float] = {}
    files = list((folder / "curves").glob("version_*/metrics.csv"))
    for file in sorted(files, key=lambda file: int(file.parent.name[8:])):
        with file.open(newline="", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                if row.get("val/total"):
                    found[int(row["epoch"])] = float(row["val/total"])
    return [found[epoch] for epoch in sorted(found)]
