"""What is known of molecules before any image: distances that atoms keep, places that are open."""

from torch_afm.generation.physics.candidates import allowed
from torch_afm.generation.physics.open_bonds import open_bonds
from torch_afm.generation.physics.prior import GeometryPrior

__all__ = ["GeometryPrior", "allowed", "open_bonds"]
