"""Settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass

from torch_afm.utils import InputError


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training run.

    Args:
        out: folder for checkpoints, learning curves (CSV) and the finished model.
        preset: preset of :class:`~torch_afm.config.GraphGeneratorConfig` to train.
        molecules: file of SMILES, one a line; none takes the embedded list.
        epochs: epochs to run in all, those before a resume included.
        epoch_samples: training samples in one epoch; a checkpoint is written at the end of each.
        val_samples: validation samples, from molecules never trained on.
        batch_size: samples in a batch, on each process.
        lr: learning rate of Adam.
        schedule: ``constant``, or ``cosine`` (a linear warm-up of 2 % of the run, then a cosine down to 1 %).
        clip: largest norm of the gradient; 0 for none.
        rotations: best rotations of each molecule.
        seed: seed of initial weights, split, shuffling and every draw.
        workers: processes that render, besides the training process.
        threads: threads of torch in the training process; 0 leaves torch's choice.
        precision: numbers of the network, ``32-true``, ``bf16-mixed`` or ``16-mixed``.
        accelerator: ``auto``, ``cpu`` or ``gpu``.
        devices: processes (CPU) or GPUs on each machine.
        num_nodes: machines.
        progress: show a progress bar.
    """

    out: str = "runs/small"
    preset: str = "small"
    molecules: str | None = None
    epochs: int = 50
    epoch_samples: int = 4096
    val_samples: int = 512
    batch_size: int = 32
    lr: float = 1e-3
    schedule: str = "constant"
    clip: float = 1.0
    rotations: int = 30
    seed: int = 0
    workers: int = 1
    threads: int = 0
    precision: str = "32-true"
    accelerator: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    progress: bool = True

    def __post_init__(self) -> None:
        for name in (
            "epochs",
            "epoch_samples",
            "val_samples",
            "batch_size",
            "rotations",
            "devices",
            "num_nodes",
        ):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if self.lr <= 0 or self.clip < 0 or self.workers < 0 or self.threads < 0:
            raise InputError("lr, clip, workers, threads: expected lr above 0 and the others not negative")
        if self.schedule not in ("constant", "cosine"):
            raise InputError(f"schedule: expected 'constant' or 'cosine', got {self.schedule!r}")
        if self.precision not in ("32-true", "bf16-mixed", "16-mixed"):
            raise InputError(
                f"precision: expected '32-true', 'bf16-mixed' or '16-mixed', got {self.precision!r}"
            )

    @property
    def total_steps(self) -> int:
        """Optimiser steps of the whole run."""
        world = self.devices * self.num_nodes
        return self.epochs * -(-(self.epoch_samples // world) // self.batch_size)
