"""Molecules, AFM stacks, scans of microscopes, potentials on a grid and ppafm's settings in files."""

from torch_afm.io.atoms import read_atoms
from torch_afm.io.grids import read_density, read_potential
from torch_afm.io.ppafm import PpafmParams, read_atomtypes, read_ppafm_params
from torch_afm.io.scans import read_stack
from torch_afm.io.stacks import AFMStack, write_stack
from torch_afm.io.structures import read_molecule, write_sdf, write_xyz
from torch_afm.io.sweeps import read_sweep, write_sweep

__all__ = [
    "AFMStack",
    "PpafmParams",
    "read_atoms",
    "read_atomtypes",
    "read_density",
    "read_molecule",
    "read_potential",
    "read_ppafm_params",
    "read_stack",
    "read_sweep",
    "write_sdf",
    "write_stack",
    "write_sweep",
    "write_xyz",
]
