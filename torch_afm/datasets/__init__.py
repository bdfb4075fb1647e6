"""Data sets: molecules in three dimensions, AFM training steps, samplers, splits."""

from torch_afm.config.cache import CacheConfig
from torch_afm.datasets.afm import AFMDataset
from torch_afm.datasets.cached import CachedAFMDataset
from torch_afm.datasets.deferred import DeferredSteps
from torch_afm.datasets.ledger import Shard
from torch_afm.datasets.loader import step_loader
from torch_afm.datasets.manifest import Manifest
from torch_afm.datasets.molecules import MoleculeDataset
from torch_afm.datasets.sampler import EpochSampler
from torch_afm.datasets.slab import SlabDataset, read_slabs, slab_from_ase
from torch_afm.datasets.splits import published_split, split_by_molecule, split_by_scaffold
from torch_afm.datasets.statistics import data_statistics, format_statistics
from torch_afm.datasets.steps import StepDataset
from torch_afm.datasets.training_sets import build_training_set
from torch_afm.datasets.water import WaterBilayers, surfaces, water_bilayer
from torch_afm.datasets.writer import write_cache

__all__ = [
    "AFMDataset",
    "CacheConfig",
    "CachedAFMDataset",
    "DeferredSteps",
    "EpochSampler",
    "Manifest",
    "MoleculeDataset",
    "Shard",
    "SlabDataset",
    "StepDataset",
    "WaterBilayers",
    "build_training_set",
    "data_statistics",
    "format_statistics",
    "published_split",
    "read_slabs",
    "slab_from_ase",
    "split_by_molecule",
    "split_by_scaffold",
    "step_loader",
    "surfaces",
    "water_bilayer",
    "write_cache",
]
