"""Data sets: molecules in three dimensions, AFM samples, splits."""

from torch_afm.datasets.molecules import MoleculeDataset
from torch_afm.datasets.splits import split_by_molecule

__all__ = ["MoleculeDataset", "split_by_molecule"]
