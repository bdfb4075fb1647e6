"""Molecule graphs: the ``Data`` class, conversions, bonds, edits."""

from torch_afm.data.afm_data import AFMData, pack_atoms
from torch_afm.data.bond_orders import bond_orders
from torch_afm.data.bonds import covalent_bonds, valence_errors
from torch_afm.data.convert import from_ase, from_rdmol, from_smiles, to_ase, to_rdmol
from torch_afm.data.density_grid import DensityGrid
from torch_afm.data.edit import append_atom, move_graph, remove_atoms
from torch_afm.data.potential_grid import PotentialGrid

__all__ = [
    "AFMData",
    "DensityGrid",
    "PotentialGrid",
    "append_atom",
    "bond_orders",
    "covalent_bonds",
    "from_ase",
    "from_rdmol",
    "from_smiles",
    "move_graph",
    "pack_atoms",
    "remove_atoms",
    "to_ase",
    "to_rdmol",
    "valence_errors",
]
