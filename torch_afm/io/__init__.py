"""Molecules and AFM stacks in files."""

from torch_afm.io.stacks import AFMStack, read_stack, write_stack
from torch_afm.io.structures import read_molecule, write_sdf, write_xyz

__all__ = ["AFMStack", "read_molecule", "read_stack", "write_sdf", "write_stack", "write_xyz"]
