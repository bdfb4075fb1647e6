"""Data sets: molecules in three dimensions, AFM training steps, samplers, splits."""

from torch_afm.datasets.afm import AFMDataset
from torch_afm.datasets.molecules import MoleculeDataset
from torch_afm.datasets.sampler import EpochSampler
from torch_afm.datasets.splits import split_by_molecule

__all__ = ["AFMDataset", "EpochSampler", "MoleculeDataset", "split_by_molecule"]
