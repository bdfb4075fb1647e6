"""What is known of molecules before any image: valences, distances that atoms keep, places that are open."""

from torch_afm.generation.chemistry.candidates import allowed
from torch_afm.generation.chemistry.open_bonds import open_bonds
from torch_afm.generation.chemistry.prior import GeometryPrior
from torch_afm.generation.chemistry.sanitize import sanitize, trim_bonds

__all__ = ["GeometryPrior", "allowed", "open_bonds", "sanitize", "trim_bonds"]
