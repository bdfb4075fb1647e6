"""Chemistry of predicted molecules: valences, bond orders, places for further atoms, a prior of distances."""

from torch_afm.generation.chemistry.candidates import allowed
from torch_afm.generation.chemistry.open_bonds import open_bonds
from torch_afm.generation.chemistry.prior import GeometryPrior
from torch_afm.generation.chemistry.sanitize import sanitize, trim_bonds

__all__ = ["GeometryPrior", "allowed", "open_bonds", "sanitize", "trim_bonds"]
