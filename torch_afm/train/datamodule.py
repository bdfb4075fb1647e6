"""Training and validation steps, split by molecule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import lightning as L
import numpy as np
from torch_geometric.data import Batch
from torch_geometric.loader import DataLoader

from torch_afm.config import to_dict
from torch_afm.config.cache import CacheConfig
from torch_afm.config.training import TrainConfig
from torch_afm.data import AFMData
from torch_afm.datasets import (
    EpochSampler,
    MoleculeDataset,
    MoleculeSource,
    Nuisances,
    RotatedMolecules,
    Scenes,
    StepDataset,
    StepDraws,
    StepRenderer,
    StoredReferences,
    SurfaceWindows,
    load_surfaces,
    split_by_molecule,
    step_loader,
)
from torch_afm.datasets.manifest import fingerprint
from torch_afm.datasets.slabs import is_surface
from torch_afm.elements import AtomClasses
from torch_afm.progress import ProgressBar
from torch_afm.transforms import Augment, RandomMutant
from torch_afm.utils import InputError


class AFMDataModule(L.LightningDataModule):
    """Loaders of on-the-fly training steps for one model. The test molecules (or surfaces) of the split are
    left alone: ``torch-afm evaluate`` scores molecules.

    Args:
        config: settings of the run, and of the network: its scan, depth of targets and classes.
        molecules: molecules to use instead of those that ``config`` names.

    Attributes:
        origin: what else than ``config`` decides the samples, once the data are there: the SHA-256 of all
            molecules, and the settings of the cache.
    """

    def __init__(self, config: TrainConfig, molecules: list[AFMData] | None = None) -> None:
        super().__init__()
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
                "molecules: expected enough for a training and a validation part, got "
                f"{len(train)} and {len(validation)} of {len(source)} in all"
            )
        if self.config.cache is None:
            self.parts.append(self._rendered(self._oriented(train, training=True), self._draws()))
        else:
            self.parts.append(self._stored(self.config.cache, train))
        # Validation has one partial graph of each orientation, and no copies, whatever training has.
        steps = replace(self._draws(), mutants=1, copies=1)
        self.parts.append(self._rendered(self._oriented(validation, training=False), steps))

    def _draws(self) -> StepDraws:
        config = self.config
        return StepDraws(
            z_min=config.model.z_targets,
            classes=AtomClasses(config.model.groups),
            mutants=config.mutants,
            copies=config.copies,
            mutant=RandomMutant(config.empty, config.misplaced, config.extra),
            augment=Augment(share=config.augmented),
            nuisances=Nuisances(config.nuisances, config.realistic) if config.realistic else None,
            seed=config.seed,
        )

    def _oriented(self, molecules: Sequence[AFMData], training: bool) -> MoleculeSource:
        config, scan = self.config, self.config.model.scan
        if config.scenes:
            # Another seed for validation: scenes of water are not made of its molecules.
            number, seed = (config.scenes, config.seed) if training else (config.val_samples, config.seed + 1)
            return Scenes(molecules, scan, config.scene, number, seed=seed)
        if is_surface(molecules[0]):
            return SurfaceWindows(molecules, scan, config.rotations, seed=config.seed)
        return RotatedMolecules(molecules, config.rotations, seed=config.seed)

    def _rendered(self, source: MoleculeSource, draws: StepDraws) -> StepDataset:
        images, defer = StepRenderer(self.config.model.scan), self.config.render == "device"
        return StepDataset(source, draws, images, defer=defer)

    def _stored(self, folder: str, molecules: list[AFMData]) -> StepDataset:
        stored = StoredReferences(folder)
        found = stored.manifest
        if found.config.scan != self.config.model.scan:
            raise InputError(f"cache: expected stacks of {self.config.model.scan}, got {found.config.scan}")
        self._check_scenes(found.config)
        if found.fingerprint != fingerprint(molecules):
            raise InputError(
                f"cache: expected the {len(molecules)} training molecules of this run, got "
                f"{len(found.molecules)} others ({found.source}); torch-afm dataset --part train renders them"
            )
        self.origin["cache_settings"] = to_dict(found.config)
        return StepDataset(stored.molecules, self._draws(), stored)

    def _check_scenes(self, found: CacheConfig) -> None:
        """Refuse a cache of other scenes than this run would draw."""
        config = self.config
        if found.scenes != config.scenes:
            raise InputError(f"scenes: expected {found.scenes}, as in the cache, got {config.scenes}")
        stored, wanted = ({**to_dict(c.scene), "seed": c.seed} for c in (found, config))
        changed = [f"{key} = {value}" for key, value in stored.items() if value != wanted[key]]
        if found.scenes and changed:
            raise InputError(f"scene: expected that of the cache ({', '.join(changed)}), got another")

    def _source(self) -> tuple[Sequence[AFMData], Sequence[np.ndarray]]:
        """All molecules or surfaces, and the indices of each part of the split."""
        if self.molecules is None and self.config.structures is None:
            source = MoleculeDataset.read(self.config.molecules, geometry=self.config.geometry)
            return cast(Sequence[AFMData], source), source.split(self.config.seed)
        if self.molecules is None:
            made = ProgressBar(
                load_surfaces(str(self.config.structures)), desc="surfaces", unit="surface", leave=False
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
            self.config.copies,
            self.parts[0].block(self.config.batch_size),
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
        return self.parts[0].complete(batch)

    def _loader(self, part: int, sampler: Any) -> DataLoader:
        return step_loader(self.parts[part], self.config.batch_size, self.config.workers, sampler=sampler)
