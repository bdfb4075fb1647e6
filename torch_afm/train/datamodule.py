"""Training and validation steps, split by molecule."""

from __future__ import annotations

from typing import Any

import lightning as L
import numpy as np
from torch.utils.data import Dataset, Subset
from torch_geometric.loader import DataLoader

from torch_afm.config import GraphGeneratorConfig
from torch_afm.data import AFMData
from torch_afm.datasets import AFMDataset, EpochSampler, MoleculeDataset, split_by_molecule, step_loader
from torch_afm.elements import AtomClasses
from torch_afm.train.config import TrainConfig


class AFMDataModule(L.LightningDataModule):
    """Loaders of on-the-fly training steps for one model. The test molecules of the split are left alone:
    ``torch-afm evaluate`` scores them.

    Args:
        model: settings of the model: its scan, surface cut and classes.
        config: settings of the run.
        molecules: molecules to use instead of those that ``config`` names.
    """

    def __init__(
        self, model: GraphGeneratorConfig, config: TrainConfig, molecules: list[AFMData] | None = None
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.molecules = molecules
        self.parts: list[AFMDataset] = []

    def setup(self, stage: str | None = None) -> None:
        if self.parts:
            return
        source: MoleculeDataset | list[AFMData]
        if self.molecules is None:
            source = MoleculeDataset(self.config.molecules)
            split = source.split(self.config.seed)
        else:
            source = self.molecules
            split = split_by_molecule(len(source), seed=self.config.seed)
        # Validation has one mutant of each orientation, whatever training has.
        for part, mutants in zip(split, (self.config.mutants, 1), strict=False):
            self.parts.append(
                AFMDataset(
                    [source[int(i)] for i in part],
                    self.model.scan,
                    rotations=self.config.rotations,
                    z_min=self.model.z_min,
                    classes=AtomClasses(self.model.groups),
                    mutants=mutants,
                    seed=self.config.seed,
                )
            )

    def train_dataloader(self) -> DataLoader:
        trainer = self.trainer
        sampler = EpochSampler(
            len(self.parts[0]),
            self.config.epoch_samples,
            self.config.seed,
            trainer.global_rank if trainer else 0,
            trainer.world_size if trainer else 1,
            self.config.mutants,
        )
        # Workers fetch ahead as soon as the loader is iterated, before Lightning tells the sampler its epoch.
        sampler.set_epoch(trainer.current_epoch if trainer else 0)
        return self._loader(self.parts[0], sampler=sampler)

    def val_dataloader(self) -> DataLoader:
        part = self.parts[1]
        order = np.random.default_rng(self.config.seed).permutation(len(part))[: self.config.val_samples]
        trainer = self.trainer
        mine = order[trainer.global_rank :: trainer.world_size] if trainer else order
        return self._loader(Subset(part, mine.tolist()))

    def _loader(self, dataset: Dataset[AFMData], **kwargs: Any) -> DataLoader:
        return step_loader(dataset, self.config.batch_size, self.config.workers, **kwargs)
