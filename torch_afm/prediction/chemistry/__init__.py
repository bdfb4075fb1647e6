"""Chemistry of predicted molecules: valences, bond orders, places for further atoms, a prior of distances."""

from torch_afm.prediction.chemistry.candidates import can_join
from torch_afm.prediction.chemistry.faults import list_faults
from torch_afm.prediction.chemistry.open_bonds import open_bonds
from torch_afm.prediction.chemistry.prior import GeometryPrior
from torch_afm.prediction.chemistry.sanitize import sanitize, trim_bonds

__all__ = ["GeometryPrior", "can_join", "list_faults", "open_bonds", "sanitize", "trim_bonds"]
