"""Molecules and periodic structures in files."""

from __future__ import annotations

import sys
from pathlib import Path

from rdkit import Chem, rdBase

from torch_afm.config.formats import STRUCTURE_FORMATS
from torch_afm.data import AFMData, from_ase, to_ase, to_rdmol
from torch_afm.io.atoms import format_of, parse_atoms
from torch_afm.io.files import write_whole
from torch_afm.io.mdl import parse_mdl, parse_mol2
from torch_afm.io.text import decode, read_text
from torch_afm.io.xyz import format_xyz
from torch_afm.utils import InputError


def read_molecule(path: str | Path, format: str | None = None) -> AFMData:
    """A molecule or a periodic structure from a file, positions as they stand there. The format is told by
    the suffix, the name or the argument:

    - ``xyz`` (.xyz, .extxyz): plain or extended, see :func:`torch_afm.io.xyz.parse_xyz`.
    - ``sdf`` (.sdf, .mol) and ``mol2``: by RDKit, with the bonds of the file; charges are those of the file
      (in an SDF those that :func:`write_sdf` wrote), else Gasteiger's. Missing hydrogens are added, with a
      warning; a 2-D drawing is refused.
    - ``pdb``, ``cif``, ``vasp`` (POSCAR, CONTCAR, .vasp, .poscar) and ``aims`` (geometry.in): by ASE.

    Where the file has no bonds, they are those of :func:`torch_afm.data.covalent_bonds`; charges not given
    are zeros. What is periodic keeps ``cell`` and ``pbc``.

    Args:
        path: the file, holding one structure, or ``-`` for standard input.
        format: one of the names above, where the file's name does not tell.

    Shapes:
        z ``[N]``, pos ``[N, 3]`` in Å, charge ``[N]`` in e, edge_index ``[2, E]``, cell ``[1, 3, 3]`` in Å,
        pbc ``[1, 3]``.

    Raises:
        InputError: for anything wrong with the file, naming it and, where there is one, the line; for two
            atoms nearer than 0.5 Å.
    """
    path = Path(path)
    where = "standard input" if str(path) == "-" else str(path)
    if format is not None and format not in STRUCTURE_FORMATS:
        raise InputError(f"format: expected one of {', '.join(STRUCTURE_FORMATS)}, got {format!r}")
    if where == str(path):
        name = format or format_of(path)
        text = read_text(path)
    elif format is None:
        raise InputError(
            f"format: expected one of {', '.join(STRUCTURE_FORMATS)} for standard input, got none"
        )
    else:
        name = format
        text = decode(_standard_input(), where)
    if not text.strip():
        raise InputError(f"{where}: expected a molecule, got an empty file")
    try:
        data = _parsed(text, name, where)
    except InputError as error:
        raise InputError(str(error) if where in str(error) else f"{where}: {error}") from None
    if data.z.numel() == 0:
        raise InputError(f"{where}: expected at least one atom, got none")
    return data


def _standard_input() -> bytes:
    try:
        if sys.stdin is not None:  # as it is where a process was started without
            return sys.stdin.buffer.read()
        reason = "it is closed"
    except OSError as error:
        reason = str(error.strerror)
    raise InputError(f"standard input: cannot read it ({reason})")


def _parsed(text: str, name: str, where: str) -> AFMData:
    if name == "sdf":
        return parse_mdl(text, where)
    if name == "mol2":
        return parse_mol2(text, where)
    found = parse_atoms(text, name, where)
    if len(found) != 1:
        raise InputError(f"{where}: expected one structure, got {len(found)}")
    return from_ase(found[0])


def write_xyz(path: str | Path, data: AFMData) -> None:
    """Write positions in Å and, where the graph has them, charges in e as a fifth column; a periodic
    structure as extended xyz with its cell.

    Raises:
        InputError: if the file cannot be written.
    """
    _write(path, format_xyz(to_ase(data)))


def write_sdf(path: str | Path, data: AFMData) -> None:
    """Write positions in Å (four decimals, as the format has it) and bonds with the orders of
    :func:`torch_afm.data.to_rdmol`: those of ``data.bond_order``, else perceived; and charges as the atom
    property ``PartialCharge``. The format has no cell.

    Raises:
        InputError: if the file cannot be written.
    """
    mol = to_rdmol(data)
    if "charge" in data and mol.GetNumAtoms():
        Chem.CreateAtomDoublePropertyList(mol, "PartialCharge")
    with rdBase.BlockLogs():
        text = Chem.SDWriter.GetText(mol)
    _write(path, text)


def _write(path: str | Path, text: str) -> None:
    try:
        write_whole(Path(path), text.encode())
    except OSError as error:
        raise InputError(f"{path}: cannot write ({error.strerror})") from None
