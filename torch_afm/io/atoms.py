"""Many structures at once: folders of xyz files, extended xyz files, ASE databases."""

from __future__ import annotations

from pathlib import Path

import ase
import ase.db
import ase.io
import numpy as np

from torch_afm.io.structures import _atom
from torch_afm.io.text import read_text
from torch_afm.utils import InputError

_TEXT, _DATABASE = (".xyz", ".extxyz"), (".db", ".json")


def read_atoms(path: str | Path) -> list[ase.Atoms]:
    """All structures of a file or of the files in a folder, in the order of the file names, in float64.

    - ``.xyz``, ``.extxyz``: any number of structures one after the other. Plain ones as
      :func:`torch_afm.io.read_molecule` describes them, elements as symbols or atomic numbers, charges left
      out; extended ones, known by ``Properties=`` or ``Lattice=`` in the first comment, by ASE, with cell and
      periodic directions.
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
    if path.is_dir():
        files = sorted(f for f in path.iterdir() if f.suffix.lower() in _TEXT + _DATABASE and f.is_file())
        # Predictions come with a JSON of their own beside each xyz.
        files = [f for f in files if f.suffix.lower() != ".json" or '"nextid"' in read_text(f)]
        if not files:
            raise InputError(f"{path}: expected files ending in {', '.join(_TEXT + _DATABASE)}, found none")
        return [atoms for file in files for atoms in read_atoms(file)]
    suffix = path.suffix.lower()
    if suffix not in _TEXT + _DATABASE:
        raise InputError(f"{path}: expected a folder or a file ending in {', '.join(_TEXT + _DATABASE)}")
    found = _database(path) if suffix in _DATABASE else _text(path)
    if not found:
        raise InputError(f"{path}: expected at least one structure, got none")
    for number, atoms in enumerate(found, start=1):
        atoms.info["name"] = path.stem if len(found) == 1 else f"{path.stem}-{number}"
        if not np.isfinite(atoms.positions).all():
            raise InputError(f"{path}: expected finite positions, got NaN or infinite ones")
    return found


def _text(path: Path) -> list[ase.Atoms]:
    text = read_text(path)
    lines = text.splitlines()
    if len(lines) > 1 and ("Properties=" in lines[1] or "Lattice=" in lines[1]):
        try:
            return list(ase.io.iread(path, index=":", format="extxyz"))
        except Exception as error:  # ASE raises whatever its parser trips over
            reason = " ".join(str(error).split())
            raise InputError(f"{path}: ASE cannot read it as extended xyz ({reason})") from None
    found = []
    start = 0
    while start < len(lines):
        if not lines[start].strip():
            start += 1
            continue
        if not lines[start].strip().isdecimal():
            where = f"{path}, line {start + 1}"
            raise InputError(f"{where}: expected the number of atoms, got {lines[start]!r}")
        count = int(lines[start])
        rows = lines[start + 2 : start + 2 + count]
        if len(rows) < count:
            told = f"expected {count} atom line(s), as line {start + 1} says, got {len(rows)}"
            raise InputError(f"{path}, line {len(lines)}: {told}")
        atoms = [_atom(f"{path}, line {i}", row.split()) for i, row in enumerate(rows, start=start + 3)]
        positions = np.array([values[:3] for _, values in atoms]).reshape(-1, 3)
        found.append(ase.Atoms([z for z, _ in atoms], positions))
        start += 2 + count
    return found


def _database(path: Path) -> list[ase.Atoms]:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        return [row.toatoms() for row in ase.db.connect(path).select()]
    except Exception as error:  # sqlite3's, json's or ASE's own
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: ASE cannot read it as a database ({reason})") from None
