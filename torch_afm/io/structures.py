"""Molecules in xyz and MDL (SDF, mol) files."""

from __future__ import annotations

import io
import math
from pathlib import Path

import ase.io
import torch
from rdkit import Chem, rdBase

from torch_afm.data import AFMData, covalent_bonds, from_ase, from_rdmol, to_rdmol
from torch_afm.elements import atomic_number, symbol
from torch_afm.io.text import read_text
from torch_afm.utils import InputError


def read_molecule(path: str | Path) -> AFMData:
    """A molecule from a file, positions as they stand there. The suffix tells the format:

    - ``.xyz``: number of atoms, a comment, then ``element x y z`` or ``element x y z charge`` a line, the
      element a symbol or an atomic number. An extended xyz, known by ``Properties=`` in the comment, is read
      by ASE. Bonds are those of :func:`torch_afm.data.covalent_bonds`; charges not given are zeros.
    - ``.sdf``, ``.mol``: read by RDKit with the bonds of the file; charges are those that :func:`write_sdf`
      wrote, else Gasteiger's.

    Args:
        path: the file, holding one molecule.

    Shapes:
        z ``[N]``, pos ``[N, 3]`` in Å, charge ``[N]`` in e, edge_index ``[2, E]``.

    Raises:
        InputError: for anything wrong with the file, naming it and, where there is one, the line.
    """
    path = Path(path)
    readers = {".xyz": parse_xyz, ".sdf": parse_mdl, ".mol": parse_mdl}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path}: expected a file ending in {', '.join(readers)}, got {path.suffix!r}")
    text = read_text(path)
    if not text.strip():
        raise InputError(f"{path}: expected a molecule, got an empty file")
    try:
        data = readers[path.suffix.lower()](text, str(path))
    except InputError as error:
        raise InputError(str(error) if str(path) in str(error) else f"{path}: {error}") from None
    if data.z.numel() == 0:
        raise InputError(f"{path}: expected at least one atom, got none")
    return data


def write_xyz(path: str | Path, data: AFMData) -> None:
    """Write positions in Å and, where the graph has them, charges in e as a fifth column.

    Raises:
        InputError: if the file cannot be written.
    """
    columns = torch.cat([data.pos, data.charge[:, None]], dim=1) if "charge" in data else data.pos
    lines = [f"{data.z.numel()}", "element, x, y, z in Angstrom" + ", charge in e" * ("charge" in data)]
    for z, row in zip(data.z.tolist(), columns.tolist(), strict=True):
        lines.append(f"{symbol(z):2s}" + "".join(f" {v:14.8f}" for v in row))
    _write(path, "\n".join(lines) + "\n")


def write_sdf(path: str | Path, data: AFMData) -> None:
    """Write positions in Å (four decimals, as the format has it) and bonds, with the bond orders that
    :func:`torch_afm.data.to_rdmol` perceives, and charges as the atom property ``PartialCharge``.

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
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot write ({error.strerror})") from None


def parse_xyz(text: str, where: str, first: int = 1) -> AFMData:
    """One molecule in plain or extended xyz, as :func:`read_molecule` describes.

    Args:
        text: number of atoms, comment and atoms.
        where: what messages call the file.
        first: line of the file that ``text`` begins at.

    Raises:
        InputError: for text that is no such molecule.
    """
    lines = text.splitlines()
    if len(lines) > 1 and "Properties=" in lines[1]:
        try:
            frames = list(ase.io.iread(io.StringIO(text), index=":", format="extxyz"))
        except Exception as error:  # ASE raises whatever its parser trips over
            reason = " ".join(str(error).split())
            raise InputError(f"{where}: ASE cannot read it as extended xyz ({reason})") from None
        if len(frames) != 1:
            raise InputError(f"{where}: expected one molecule, got {len(frames)}")
        return from_ase(frames[0])
    count = lines[0].strip()
    if not count.isdecimal():
        raise InputError(f"{where}, line {first}: expected the number of atoms, got {lines[0]!r}")
    rows = [(number, line.split()) for number, line in enumerate(lines[2:], start=first + 2)]
    while rows and not rows[-1][1]:
        rows.pop()
    if len(rows) != int(count):
        last = first + len(rows) + 1
        raise InputError(
            f"{where}, line {last}: expected {count} atom line(s), as line {first} says, got {len(rows)}"
        )
    atoms = [_atom(f"{where}, line {number}", fields) for number, fields in rows]
    if len({len(values) for _, values in atoms}) > 1:
        raise InputError(f"{where}: expected a charge in column 5 on every line or on none, got it on some")
    z = torch.tensor([n for n, _ in atoms], dtype=torch.long)
    values = torch.tensor([v for _, v in atoms], dtype=torch.float32)
    values = values.reshape(len(atoms), len(atoms[0][1]) if atoms else 3)
    pos = values[:, :3].contiguous()
    charge = values[:, 3].contiguous() if values.shape[1] == 4 else torch.zeros(len(atoms))
    return AFMData(z=z, pos=pos, charge=charge, edge_index=covalent_bonds(z, pos))


def _atom(where: str, fields: list[str]) -> tuple[int, list[float]]:
    """Atomic number, and the numbers that follow it on an xyz line."""
    if len(fields) not in (4, 5):
        raise InputError(f"{where}: expected 'element x y z [charge]', got {len(fields)} column(s)")
    try:
        number = atomic_number(int(fields[0]) if fields[0].isdecimal() else fields[0])
        values = [float(field) for field in fields[1:]]
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    except ValueError:
        raise InputError(f"{where}: expected numbers in columns 2 on, got {' '.join(fields[1:])!r}") from None
    # 1e30 Å would overflow single precision once squared.
    if not all(math.isfinite(v) and abs(v) < 1e15 for v in values):
        raise InputError(f"{where}: expected finite numbers, got {' '.join(fields[1:])!r}")
    return number, values


def parse_mdl(text: str, where: str, first: int = 1, charges: str = "gasteiger") -> AFMData:
    """One molecule in MDL format, as :func:`read_molecule` describes.

    Args:
        text: a mol block or the record of an SDF.
        where: what messages call the file.
        first: line of the file that ``text`` begins at.
        charges: model of charges that the text does not give, see :func:`torch_afm.data.from_rdmol`, or
            ``"zero"``.

    Raises:
        InputError: for text that is no such molecule.
    """
    supplier = Chem.SDMolSupplier()
    with rdBase.BlockLogs():
        supplier.SetData(text, sanitize=False, removeHs=False)
        if len(supplier) != 1:
            raise InputError(f"{where}: expected one molecule, got {len(supplier)}")
        mol = supplier[0]
        if mol is None:
            raise InputError(f"{where}{_mdl_fault(text.splitlines(), first)}")
        # Odd valences, as in an unfinished graph, are no reason to refuse a file.
        if Chem.SanitizeMol(mol, catchErrors=True):
            mol.UpdatePropertyCache(strict=False)
        data = from_rdmol(mol, "gasteiger" if charges == "zero" else charges)
    if charges == "zero":
        data.charge = torch.zeros_like(data.charge)
    if all(atom.HasProp("PartialCharge") for atom in mol.GetAtoms()):
        data.charge = torch.tensor([a.GetDoubleProp("PartialCharge") for a in mol.GetAtoms()])
    return data


def _mdl_fault(lines: list[str], first: int) -> str:
    """Where RDKit is likely to have stumbled: at the counts (line 4), an atom, or further on."""
    count = lines[3][:3] if len(lines) > 3 else ""
    if not count.strip().isdecimal():
        return f", line {first + 3}: expected the number of atoms in columns 1-3 of an MDL file"
    atoms = [*lines[4:], *[""] * int(count)][: int(count)]
    for number, line in enumerate(atoms, start=first + 4):
        try:
            finite = all(math.isfinite(float(line[i : i + 10])) for i in (0, 10, 20))
        except ValueError:
            finite = False
        if not finite:
            return f", line {number}: expected three finite coordinates of ten columns each, got {line!r}"
    return f": RDKit cannot read it as an MDL file; line {first + 3} says {count.strip()} atom(s)"
