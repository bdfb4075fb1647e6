"""Molecules and periodic structures in files."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path

import ase
import ase.io
import numpy as np
import torch
from rdkit import Chem, rdBase

from torch_afm.config.formats import STRUCTURE_FORMATS
from torch_afm.data import AFMData, from_ase, to_ase, to_rdmol
from torch_afm.io.atoms import parse_atoms, structure_format
from torch_afm.io.files import decode, read_text, write_whole
from torch_afm.io.mdl import parse_mdl, parse_mol2
from torch_afm.io.xyz import format_xyz
from torch_afm.utils import InputError

#: Å: periodic images closer than this are one atom; vacuum above and below the structure.
_SAME, _VACUUM = 0.5, 10.0


def read_molecule(path: str | Path, format: str | None = None) -> AFMData:
    """A molecule or a periodic structure from a file, positions as they stand there. The format is told by
    the suffix, the name or the argument:

    - ``xyz`` (.xyz, .extxyz): plain or extended, see :func:`torch_afm.io.xyz.parse_xyz`.
    - ``sdf`` (.sdf, .mol) and ``mol2``: by RDKit, with the bonds of the file and, of a mol2, the cell;
      charges are those of the file (in an SDF those that :func:`write_sdf` wrote), else Gasteiger's. Missing
      hydrogens are added, with a warning; a 2-D drawing is refused.
    - ``pdb``, ``cif``, ``vasp`` (POSCAR, CONTCAR, .vasp, .poscar), ``aims`` (geometry.in), ``gen`` (DFTB+),
      ``xsf``, ``cube``, ``gaussian`` (.gjf, .com) and ``espresso`` (.pwi): by ASE. The box of a cube is that
      of its grid and no cell.

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
    source = "standard input" if str(path) == "-" else str(path)
    if format is not None and format not in STRUCTURE_FORMATS:
        raise InputError(f"format: expected one of {', '.join(STRUCTURE_FORMATS)}, got {format!r}")
    if source == str(path):
        name = format or structure_format(path)
        text = read_text(path)
    elif format is None:
        raise InputError(
            f"format: expected one of {', '.join(STRUCTURE_FORMATS)} for standard input, got none"
        )
    else:
        name = format
        text = decode(_standard_input(), source)
    if not text.strip():
        raise InputError(f"{source}: expected a molecule, got an empty file")
    try:
        data = _parsed(text, name, source)
    except InputError as error:
        raise InputError(str(error) if source in str(error) else f"{source}: {error}") from None
    if data.z.numel() == 0:
        raise InputError(f"{source}: expected at least one atom, got none")
    return data


def _standard_input() -> bytes:
    try:
        if sys.stdin is not None:  # as it is where a process was started without
            return sys.stdin.buffer.read()
        reason = "it is closed"
    except OSError as error:
        reason = str(error.strerror)
    raise InputError(f"standard input: cannot read it ({reason})")


def _parsed(text: str, name: str, source: str) -> AFMData:
    if name == "sdf":
        return parse_mdl(text, source)
    if name == "mol2":
        return parse_mol2(text, source)
    found = parse_atoms(text, name, source)
    if len(found) != 1:
        raise InputError(f"{source}: expected one structure, got {len(found)}")
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


def write_cif(path: str | Path, data: AFMData, cell: Sequence[Sequence[float]]) -> int:
    """Write a structure that repeats along x and y as CIF, by ASE: its atoms wrapped into the cell, of those
    that are periodic images of one another (closer than 0.5 Å) the most probable by ``confidence``, where
    that is known, else the first; 20 Å of vacuum along z.

    Args:
        path: the file.
        data: the structure.
        cell: two lattice vectors in the plane, in Å.

    Returns:
        number of atoms written.

    Shapes:
        cell ``[2, 2]``.

    Raises:
        InputError: for vectors that span no plane, no atoms, and a file that cannot be written.
    """
    plane = _plane(cell)
    n = len(data.z)
    if not n:
        raise InputError("data: expected at least one atom, got none")
    pos = data.pos.detach().cpu().double().numpy()
    height = float(np.ptp(pos[:, 2]))
    vectors = np.zeros((3, 3))
    vectors[:2, :2] = plane
    vectors[2, 2] = height + 2 * _VACUUM
    atoms = ase.Atoms(numbers=data.z.tolist(), positions=pos, cell=vectors, pbc=(True, True, False))
    certain = data.confidence if "confidence" in data else torch.zeros(n)
    kept: list[int] = []
    for i in certain.argsort(descending=True, stable=True).tolist():
        if not kept or atoms.get_distances(i, kept, mic=True).min() >= _SAME:
            kept.append(i)
    atoms = atoms[sorted(kept)]
    atoms.positions[:, 2] += _VACUUM - atoms.positions[:, 2].min()
    atoms.wrap()
    text = io.BytesIO()
    ase.io.write(text, atoms, format="cif")
    try:
        write_whole(Path(path), text.getvalue())
    except OSError as error:
        raise InputError(f"{path}: cannot write ({error.strerror})") from None
    return len(atoms)


def _plane(cell: Sequence[Sequence[float]]) -> np.ndarray:
    try:
        plane = np.array(cell, dtype=np.float64)
    except (TypeError, ValueError):
        plane = np.empty(0)
    if plane.shape != (2, 2) or not np.isfinite(plane).all() or abs(np.linalg.det(plane)) < 1e-6:
        raise InputError(f"cell: expected two vectors [[ax, ay], [bx, by]] in Å that span it, got {cell}")
    return plane
