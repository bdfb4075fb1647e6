"""Chemistry of what was found: valences, bond orders, sanitised molecules, relaxation."""

from torch_afm.generation.chemistry.apply import Chemistry, Improved, improve
from torch_afm.generation.chemistry.orders import bond_orders, length_order
from torch_afm.generation.chemistry.relax import Relaxed, relax
from torch_afm.generation.chemistry.sanitise import sanitise, to_part
from torch_afm.generation.chemistry.valence import fits_valence, trim_bonds

__all__ = [
    "Chemistry",
    "Improved",
    "Relaxed",
    "bond_orders",
    "fits_valence",
    "improve",
    "length_order",
    "relax",
    "sanitise",
    "to_part",
    "trim_bonds",
]
