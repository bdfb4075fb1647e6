"""Structures that ASE holds: their formats, and many at once from folders and databases."""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path

import ase
import ase.db
import ase.io
import numpy as np
from ase.io.aims import read_aims

from torch_afm.config.formats import STRUCTURE_SUFFIXES
from torch_afm.elements import symbol
from torch_afm.io.files import read_text, split_lines
from torch_afm.io.xyz import EXPONENT, parse_element, parse_xyz, xyz_frames
from torch_afm.utils import InputError

#: What ASE calls the formats that it reads for us.
_BY_ASE = {
    "pdb": "proteindatabank",
    "cif": "cif",
    "vasp": "vasp",
    "aims": "aims",
    "gen": "gen",
    "xsf": "xsf",
    "cube": "cube",
    "gaussian": "gaussian-in",
    "espresso": "espresso-in",
}
_XYZ, _DATABASE = (".xyz", ".extxyz"), (".db", ".json")


def structure_format(path: Path) -> str:
    """The format of a file, by its ending, or by its name where that begins with POSCAR, CONTCAR or
    geometry.in.

    Raises:
        InputError: for one that is not known.
    """
    if path.name.upper().startswith(("POSCAR", "CONTCAR")):
        return "vasp"
    if path.name.startswith("geometry.in"):
        return "aims"
    found = STRUCTURE_SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise InputError(
            f"{path}: expected a file ending in {', '.join(STRUCTURE_SUFFIXES)} or called POSCAR or CONTCAR, "
            f"got {path.suffix!r}; what else ASE reads, 'ase convert {path.name} out.extxyz' turns into one"
        )
    return found


def parse_atoms(text: str, name: str, source: str, charges: bool = True) -> list[ase.Atoms]:
    """The structures of a text, in float64.

    Args:
        text: the text.
        name: ``"xyz"`` (:func:`~torch_afm.io.xyz.parse_xyz`), ``"pdb"``, ``"cif"``, ``"vasp"`` (POSCAR),
            ``"aims"`` (geometry.in), ``"gen"`` (DFTB+), ``"xsf"``, ``"cube"``, or ``"gaussian"`` or
            ``"espresso"`` (inputs of Gaussian and pw.x).
        source: what messages call the file.
        charges: of xyz, as there.

    Raises:
        InputError: for text that cannot be read.
    """
    if name == "xyz":
        return [parse_xyz(block, source, first, charges) for first, block in xyz_frames(text)]
    try:
        found = _by_ase(text, name, source)
    except InputError:
        raise
    except Exception as error:  # ASE raises whatever its parser trips over
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{source}: ASE cannot read it as {name} ({reason})") from None
    if name == "pdb":  # where a model ends, ASE begins another, which may have no atoms
        found = [atoms for atoms in found if len(atoms)]
    for atoms in found:
        if name == "cube":  # whose box is that of the grid, of molecules and crystals alike
            atoms.set_cell(None)
            atoms.set_pbc(False)
        # What the format asks for where there is no crystal: a cube of 1 Å.
        if name == "pdb" and np.allclose(atoms.cell, np.eye(3)):
            atoms.set_cell(None)
            atoms.set_pbc(False)
        sites = atoms.info.get("occupancy", {}).values()
        shares = [share for site in sites for share in site.values() if isinstance(share, float)]
        if min([*shares, *atoms.arrays.get("occupancy", [])], default=1) < 1:
            warnings.warn(f"{source}: sites are occupied in part; they are read as full", stacklevel=2)
    return found


def read_atoms(path: str | Path) -> list[ase.Atoms]:
    """All structures of a file or of the files in a folder, in the order of the file names, in float64.

    - ``.xyz``, ``.extxyz``: any number of structures one after the other, as
      :func:`~torch_afm.io.xyz.parse_xyz` describes them, a fifth column of plain ones left out (predictions
      have probabilities there); extended ones with cell and periodic directions.
    - ``.pdb``, ``.cif``, POSCAR, CONTCAR, ``.vasp``, FHI-aims' geometry.in, ``.gen``, ``.xsf``, ``.cube``,
      ``.gjf``, ``.com`` and ``.pwi``: by ASE. In a folder they are
      passed over, for predictions come with a CIF beside each xyz.
    - ``.db``, ``.json``: ASE databases. In a folder, a ``.json`` that is no database is passed over.

    Args:
        path: the file or folder.

    Returns:
        The structures; ``info["name"]`` is the name of the file without its ending and, where it holds
        several, their number from 1. A structure may have no atoms.

    Raises:
        InputError: for anything wrong with a file, naming it and, where there is one, the line; for a folder
            without such files.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.suffix.lower() in _XYZ + _DATABASE and f.is_file())
        # Predictions come with a JSON of their own beside each xyz.
        files = [f for f in files if f.suffix.lower() != ".json" or '"nextid"' in read_text(f)]
        if not files:
            raise InputError(f"{path}: expected files ending in {', '.join(_XYZ + _DATABASE)}, found none")
        return [atoms for file in files for atoms in read_atoms(file)]
    if path.suffix.lower() in _DATABASE:
        found = _database(path)
    else:
        name = structure_format(path)
        if name not in ("xyz", *_BY_ASE):
            raise InputError(f"{path}: expected a file that ASE reads, got {path.suffix!r}")
        found = parse_atoms(read_text(path), name, str(path), charges=False)
    if not found:
        raise InputError(f"{path}: expected at least one structure, got none")
    for number, atoms in enumerate(found, start=1):
        atoms.info["name"] = path.stem if len(found) == 1 else f"{path.stem}-{number}"
        if not np.isfinite(atoms.positions).all():
            raise InputError(f"{path}: expected finite positions, got NaN or infinite ones")
    return found


def _by_ase(text: str, name: str, source: str) -> list[ase.Atoms]:
    if name == "aims":  # a format that ASE reads from files alone
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return [read_aims(io.StringIO(_clean_aims(text, source)))]
    clean = {"pdb": _clean_pdb, "vasp": _clean_vasp}.get(name)
    text = clean(text, source) if clean else text
    return list(ase.io.iread(io.StringIO(text), index=":", format=_BY_ASE[name]))


def _clean_vasp(text: str, source: str) -> str:
    """A POSCAR as ASE reads it: elements without isotopes, exponents with an e, and a line for each atom,
    before ASE makes room for them. The elements are those of line 6 or, as VASP 4 had it, of the comment."""
    lines = split_lines(text)
    lines[1:] = [EXPONENT.sub("e", line) for line in lines[1:]]
    sixth, seventh = (line.partition("!")[0].split() for line in [*lines, *[""] * 7][5:7])
    at = 5 if sixth and not sixth[0].isdecimal() else 0
    counts = [int(n) for n in (seventh if at else sixth) if n.isdecimal() and len(n) < 20]
    names = lines[at].split()[: len(counts)] if counts else []
    try:
        elements = [symbol(parse_element(re.split("[_/]", name)[0])) for name in names]
    except InputError as error:
        raise InputError(f"{source}, line {at + 1}: {error}") from None
    if len(elements) < len(counts):
        raise InputError(f"{source}, line {at + 1}: expected {len(counts)} elements, got {len(elements)}")
    if elements:
        lines[at] = " ".join(elements)
    first = 7 if at else 6
    first += 2 if lines[first : first + 1] and lines[first].strip()[:1] in ("s", "S") else 1
    rest = lines[first:]
    if sum(counts) > len(rest):
        raise InputError(f"{source}, line {7 if at else 6}: expected a line for each of {sum(counts)} atoms")
    if counts and rest[sum(counts) :] and _is_row(rest[sum(counts)]):
        raise InputError(f"{source}, line {first + sum(counts) + 1}: expected {sum(counts)} atoms, got more")
    return "\n".join(lines) + "\n"


def _is_row(line: str) -> bool:
    """Whether a line begins with three numbers."""
    try:
        return len([float(field) for field in line.split()[:3]]) == 3
    except ValueError:
        return False


def _clean_aims(text: str, source: str) -> str:
    """A geometry.in as ASE reads it: elements without labels and isotopes, exponents with an e."""
    lines = split_lines(text)
    for i, line in enumerate(lines):
        fields = EXPONENT.sub("e", line.partition("#")[0]).split()
        if len(fields) > 4 and fields[0] in ("atom", "atom_frac"):
            try:
                fields[4] = symbol(parse_element(fields[4]))
            except InputError as error:
                raise InputError(f"{source}, line {i + 1}: {error}") from None
        lines[i] = " ".join(fields)
    return "\n".join(lines) + "\n"


def _clean_pdb(text: str, source: str) -> str:
    """A PDB as ASE reads it: with the element of each atom, and of the whole cell. The name of an atom is its
    element only where it has one letter: CA may be calcium or the carbon next to a carbonyl."""
    lines = split_lines(text)
    for i, line in enumerate(lines):
        group = line[55:66].split()
        if line.startswith("CRYST1") and group not in ([], ["P", "1"], ["P1"]):
            raise InputError(
                f"{source}, line {i + 1}: expected a cell with all its atoms (P 1), got the space group "
                f"{' '.join(group)}; write the atoms out or leave CRYST1 out"
            )
        if line.startswith(("ATOM  ", "HETATM")):
            name = line[76:78].strip()
            if not name.isalpha():
                name = line[12:16].strip()
                if not re.fullmatch("[A-Za-z][0-9']*", name):
                    raise InputError(
                        f"{source}, line {i + 1}: expected an element in columns 77 and 78 for {name!r}"
                    )
            try:
                lines[i] = f"{line[:76]:76}{symbol(parse_element(name)):>2}{line[78:]}"
            except InputError as error:
                raise InputError(f"{source}, line {i + 1}: {error}") from None
    return "\n".join([*lines, "END"]) + "\n"


def _database(path: Path) -> list[ase.Atoms]:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        database = ase.db.connect(path, type=path.suffix[1:].lower())
        return [row.toatoms() for row in database.select()]
    except Exception as error:  # sqlite3's, json's or ASE's own
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: ASE cannot read it as a database ({reason})") from None
