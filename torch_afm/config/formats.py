"""Formats of files, for commands that list them without loading torch."""

from __future__ import annotations

#: Endings of files of molecules and structures -> their format.
STRUCTURE_SUFFIXES = {
    ".xyz": "xyz",
    ".extxyz": "xyz",
    ".sdf": "sdf",
    ".mol": "sdf",
    ".mol2": "mol2",
    ".pdb": "pdb",
    ".cif": "cif",
    ".vasp": "vasp",
    ".poscar": "vasp",
    ".in": "aims",
    ".gen": "gen",
    ".xsf": "xsf",
    ".cube": "cube",
    ".gjf": "gaussian",
    ".com": "gaussian",
    ".pwi": "espresso",
}

#: Names of the formats of molecules and structures.
STRUCTURE_FORMATS = tuple(dict.fromkeys(STRUCTURE_SUFFIXES.values()))

#: Endings of the files that stacks are written to.
STACK_SUFFIXES = (".npz", ".gwy", ".xsf")

#: Endings of scan files; those that other packages register come on top.
SCAN_SUFFIXES = (
    ".sxm",
    ".3ds",
    ".dat",
    ".gwy",
    ".nc",
    ".vert",
    ".df_mtrx",
    ".z_mtrx",
    ".i_mtrx",
    ".aux1_mtrx",
    ".aux2_mtrx",
    ".png",
    ".tif",
    ".tiff",
    ".jpg",
    ".jpeg",
    ".npz",
    ".h5",
    ".hdf5",
)
