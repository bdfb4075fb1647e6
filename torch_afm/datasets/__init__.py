"""Data sets: molecules in three dimensions, AFM training steps, samplers, splits."""

from torch_afm.config.cache import CacheConfig
from torch_afm.config.nuisances import NuisanceConfig
from torch_afm.config.scenes import SceneConfig
from torch_afm.datasets.draws import StackDraw, StepDraw, StepDraws
from torch_afm.datasets.loader import EpochSampler, step_loader
from torch_afm.datasets.manifest import Manifest
from torch_afm.datasets.molecules import MoleculeDataset
from torch_afm.datasets.nuisances import Measurement, Nuisances
from torch_afm.datasets.rendering import StepRenderer, StoredReferences
from torch_afm.datasets.scenes import Scenes
from torch_afm.datasets.shards import Shard
from torch_afm.datasets.slabs import SurfaceWindows, read_slabs, slab_from_ase
from torch_afm.datasets.smi import embedded_smiles
from torch_afm.datasets.sources import MoleculeSource, RotatedMolecules
from torch_afm.datasets.splits import published_split, split_by_molecule, split_by_scaffold
from torch_afm.datasets.statistics import data_statistics, format_statistics
from torch_afm.datasets.steps import AFMDataset, StepDataset
from torch_afm.datasets.training_sets import build_training_set
from torch_afm.datasets.water import water_bilayer
from torch_afm.datasets.water_potential import relax_water
from torch_afm.datasets.water_surfaces import WaterSurfaces, load_surfaces, water_surface
from torch_afm.datasets.writer import write_cache

__all__ = [
    "AFMDataset",
    "CacheConfig",
    "EpochSampler",
    "Manifest",
    "Measurement",
    "MoleculeDataset",
    "MoleculeSource",
    "NuisanceConfig",
    "Nuisances",
    "RotatedMolecules",
    "SceneConfig",
    "Scenes",
    "Shard",
    "StackDraw",
    "StepDataset",
    "StepDraw",
    "StepDraws",
    "StepRenderer",
    "StoredReferences",
    "SurfaceWindows",
    "WaterSurfaces",
    "build_training_set",
    "data_statistics",
    "embedded_smiles",
    "format_statistics",
    "load_surfaces",
    "published_split",
    "read_slabs",
    "relax_water",
    "slab_from_ase",
    "split_by_molecule",
    "split_by_scaffold",
    "step_loader",
    "water_bilayer",
    "water_surface",
    "write_cache",
]
