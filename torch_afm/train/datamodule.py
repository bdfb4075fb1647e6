"""Training and validation steps, split by molecule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import lightning as L
import numpy as np
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader

from torch_afm.config import GeneratorConfig, to_dict
from torch_afm.config.training import TrainConfig
from torch_afm.data import AFMData
from torch_afm.datasets import (
    AFMDataset,
    CachedAFMDataset,
    DeferredSteps,
    EpochSampler,
    Manifest,
    MoleculeDataset,
    SlabDataset,
    StepDataset,
    split_by_molecule,
    step_loader,
    surfaces,
)
from torch_afm.datasets.manifest import fingerprint
from torch_afm.elements import AtomClasses
from torch_afm.progress import ProgressBar
from torch_afm.transforms import RandomMutant
from torch_afm.utils import InputError


class AFMDataModule(L.LightningDataModule):
    """Loaders of on-the-fly training steps for one model. The test molecules (or surfaces) of the split are
    left alone: ``torch-afm evaluate`` scores molecules.

    Args:
        model: settings of the model: its scan, surface cut and classes.
        config: settings of the run.
        molecules: molecules to use instead of those that ``config`` names.

    Attributes:
        origin: what else than ``config`` decides the samples, once the data are there: the SHA-256 of all
            molecules, and the settings of the cache.
    """

    def __init__(
        self,
        model: GeneratorConfig,
        config: TrainConfig,
        molecules: list[AFMData] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.molecules = molecules
        self.parts: list[StepDataset] = []
        self.origin: dict[str, Any] = {}

    def setup(self, stage: str | None = None) -> None:
        if self.parts:
            return
        source, split = self._source()
        self.origin = {"molecules_sha256": fingerprint(source)}
        train, validation = ([source[int(i)] for i in part] for part in split[:2])
        if not train or not validation:
            raise InputError(
                f"molecules: expected enough for a training and a validation part, got {len(source)} in all"
            )
        # Validation has one mutant of each orientation, whatever training has.
        z_min = self.model.z_targets
        settings: dict[str, Any] = {"z_min": z_min, "classes": AtomClasses(self.model.groups)}
        settings["seed"] = self.config.seed
        if "cell" in train[0]:
            on_the_fly: Callable[..., StepDataset] = partial(SlabDataset, windows=self.config.rotations)
        else:
            on_the_fly = partial(AFMDataset, rotations=self.config.rotations)
        on_the_fly = partial(on_the_fly, scan=self.model.scan, **settings)
        if self.config.cache is None:
            self.parts.append(on_the_fly(train, mutants=self.config.mutants))
        else:
            cached = CachedAFMDataset(self.config.cache, mutants=self.config.mutants, **settings)
            self._check_cache(cached, train)
            self.origin["cache_settings"] = to_dict(cached.manifest.config)
            self.parts.append(cached)
        self.parts.append(on_the_fly(validation))
        for part in self.parts:
            part.random_mutant = RandomMutant(self.config.empty, self.config.misplaced, self.config.extra)
            part.augment.share = self.config.augmented

    def _source(self) -> tuple[Sequence[AFMData], Sequence[np.ndarray]]:
        """All molecules or surfaces, and the indices of each part of the split."""
        if self.molecules is None and self.config.structures is None:
            source = MoleculeDataset(self.config.molecules)
            return cast(Sequence[AFMData], source), source.split(self.config.seed)
        if self.molecules is None:
            made = ProgressBar(
                surfaces(str(self.config.structures)), desc="surfaces", unit="surface", leave=False
            )
            self.molecules = list(made)
        found = self.molecules
        return found, split_by_molecule(len(found), seed=self.config.seed)

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
        return self._loader(0, sampler)

    def val_dataloader(self) -> DataLoader:
        part = self.parts[1]
        order = np.random.default_rng(self.config.seed).permutation(len(part))[: self.config.val_samples]
        trainer = self.trainer
        mine = order[trainer.global_rank :: trainer.world_size] if trainer else order
        return self._loader(1, [(0, i) for i in mine.tolist()])

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        return self._deferred(0).complete(batch) if self.config.render == "device" else batch

    def _check_cache(self, cached: CachedAFMDataset, molecules: list[AFMData]) -> None:
        found = cached.manifest
        if found.config.scan != self.model.scan:
            raise InputError(f"cache: expected stacks of {self.model.scan}, got {found.config.scan}")
        if found.fingerprint != Manifest.of(molecules, found.config, "").fingerprint:
            raise InputError(
                f"cache: expected the {len(molecules)} training molecules of this run, got "
                f"{len(found.molecules)} others ({found.source}); torch-afm dataset --part train renders them"
            )

    def _deferred(self, part: int) -> DeferredSteps:
        return DeferredSteps(cast(AFMDataset, self.parts[part]))

    def _loader(self, part: int, sampler: Any) -> DataLoader:
        dataset = self._deferred(part) if self.config.render == "device" else self.parts[part]
        return step_loader(dataset, self.config.batch_size, self.config.workers, sampler=sampler)
