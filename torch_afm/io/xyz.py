"""Plain and extended xyz: the one parser of the package."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator

import ase
import numpy as np
from ase.io.extxyz import read_xyz

from torch_afm.elements import atomic_number, symbol
from torch_afm.io.files import split_lines
from torch_afm.utils import InputError

#: A symbol with the number of the atom behind it, as C12, H_3 or O2'.
_LABEL = re.compile(r"([A-Za-z]{1,2})_?\d+'*")
#: Exponents of Fortran and Mathematica.
EXPONENT = re.compile(r"(?<=[\d.])(?:[dD]|\*\^)(?=[+-]?\d)")
#: Keys of extended xyz, which some programs write in small letters.
_KEY = re.compile(r"(?i)\b(lattice|properties)=")
#: Heavy hydrogens, by their own letters.
_ISOTOPES = {"D": "H", "T": "H"}
#: e: beyond these, a number is taken for something else than a charge: of an atom, of a structure in all (or
#: this share of its atoms).
_MAX_CHARGE, _MAX_NET, _MAX_NET_SHARE = 3.0, 4.0, 0.25

_COLUMNS = "Properties=species:S:1:pos:R:3"


def xyz_frames(text: str) -> Iterator[tuple[int, str]]:
    """First line and text of each structure. A line of one whole number begins the next, unless it is a
    comment, so that what a damaged one lacks or has too much leaves the following ones whole."""
    lines = split_lines(text)
    start = 0
    while start < len(lines):
        count = lines[start].strip()
        end = start + 1
        if _is_count(count):
            end += 1
            while end < len(lines) and not _is_count(lines[end].strip()):
                # Behind the last atom, further atoms still belong to it, other text does not.
                if end >= start + 2 + int(count) and len(lines[end].split()) < 4:
                    break
                end += 1
        if count:
            yield start + 1, "\n".join(lines[start:end]) + "\n"
        start = end


#: A comment by which the structure repeats, with its vectors or without.
_REPEATS = re.compile(r"\bpbc=[\"']?[^\"'=]*T", re.IGNORECASE)


def parse_xyz(text: str, source: str, first: int = 1, charges: bool = True) -> ase.Atoms:
    """One structure in plain or extended xyz, in float64.

    - Plain: number of atoms, a comment, then ``element x y z`` or ``element x y z charge`` a line. The
      element is a symbol (D and T are hydrogen), one with the atom's number behind it, such as C12, or an
      atomic number; exponents may have a D. A fifth column that can hardly be charges is refused.
    - Extended, known by ``Properties=`` or ``Lattice=`` in the comment: by ASE, with cell, periodic
      directions and the columns that are named; without ``Properties=``, those of plain xyz.

    Args:
        text: number of atoms, comment and atoms.
        source: what messages call the file.
        first: line of the file that ``text`` begins at.
        charges: whether a fifth column without a name, of what is not periodic, is charges; else it is left
            out.

    Returns:
        the structure; charges in column 5 are its initial charges.

    Raises:
        InputError: for text that is no such structure, naming the line where there is one.
    """
    lines = split_lines(text)
    while lines and not lines[-1].strip():
        lines.pop()
    count = lines[0].strip() if lines else ""
    if not _is_count(count):
        raise InputError(f"{source}, line {first}: expected the number of atoms, got {count!r}")
    rows = [EXPONENT.sub("e", line).split() for line in lines[2:]]
    if len(rows) != int(count):
        raise InputError(
            f"{source}, line {first + len(rows) + 1}: expected {count} atom line(s), as line {first} says, "
            f"got {len(rows)}"
        )
    comment = lines[1] if len(lines) > 1 else ""
    comment = _KEY.sub(lambda match: f"{match[1].capitalize()}=", comment)
    if "Lattice=" in comment:
        comment = EXPONENT.sub("e", comment)
    if "Properties=" in comment:
        return _extended(comment, rows, source)
    periodic = "Lattice=" in comment or bool(_REPEATS.search(comment))
    charged = _has_charges(rows, source, first + 2) and (charges or periodic)
    if charged:
        _check_charges(rows, source)
    if periodic:
        columns = f" {_COLUMNS}" + ":initial_charges:R:1" * charged
        return _extended(comment + columns, rows, source)
    values = np.array([row[1 : 4 + charged] for row in rows], dtype=np.float64).reshape(
        len(rows), 3 + charged
    )
    atoms = ase.Atoms([parse_element(row[0]) for row in rows], values[:, :3])
    if charged:
        atoms.set_initial_charges(values[:, 3])
    return atoms


def format_xyz(atoms: ase.Atoms) -> str:
    """A structure as text: plain xyz, charges as a fifth column where it has them, or extended xyz where it
    repeats."""
    charged = atoms.has("initial_charges")
    columns = np.concatenate([atoms.positions, atoms.get_initial_charges()[:, None]], axis=1)
    if atoms.pbc.any():
        lattice = " ".join(f"{v:.8f}" for v in np.array(atoms.cell).ravel())
        repeats = " ".join("FT"[int(p)] for p in atoms.pbc)
        comment = f'Lattice="{lattice}" {_COLUMNS}' + ":initial_charges:R:1" * charged + f' pbc="{repeats}"'
    else:
        comment = "element, x, y, z in Angstrom" + ", charge in e" * charged
    lines = [f"{len(atoms)}", comment]
    for z, row in zip(atoms.numbers.tolist(), columns[:, : 3 + charged].tolist(), strict=True):
        lines.append(f"{symbol(z):2s}" + "".join(f" {v:14.8f}" for v in row))
    return "\n".join(lines) + "\n"


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def parse_element(label: str) -> int:
    """Atomic number of a symbol, a label or a number.

    Raises:
        InputError: for something else.
    """
    if label.isascii() and label.isdecimal():
        return atomic_number(int(label))
    match = _LABEL.fullmatch(label)
    name = match[1] if match else label
    return atomic_number(_ISOTOPES.get(name.upper(), name))


def _has_charges(rows: list[list[str]], source: str, first: int) -> bool:
    """Whether the lines of plain xyz, which are checked, have a fifth column."""
    for number, fields in enumerate(rows, start=first):
        line = f"{source}, line {number}"
        if len(fields) not in (4, 5):
            raise InputError(f"{line}: expected 'element x y z [charge]', got {len(fields)} column(s)")
        try:
            parse_element(fields[0])
            values = [float(field) for field in fields[1:]]
        except InputError as error:
            raise InputError(f"{line}: {error}") from None
        except ValueError:
            got = " ".join(fields[1:])
            raise InputError(f"{line}: expected numbers in columns 2 on, got {got!r}") from None
        if not all(math.isfinite(v) for v in values):
            raise InputError(f"{line}: expected finite numbers, got {' '.join(fields[1:])!r}")
    if len({len(fields) for fields in rows}) > 1:
        raise InputError(f"{source}: expected a charge in column 5 on every line or on none, got it on some")
    return bool(rows) and len(rows[0]) == 5


def _check_charges(rows: list[list[str]], source: str) -> None:
    """Refuse a fifth column that can hardly be charges."""
    charges = np.array([row[4] for row in rows], dtype=np.float64)
    reason = ""
    if (charges == [parse_element(row[0]) for row in rows]).all():
        reason = "the atomic numbers"
    elif np.abs(charges).max() > _MAX_CHARGE:
        reason = f"{charges[np.abs(charges).argmax()]:g} on an atom"
    elif abs(charges.sum()) > max(_MAX_NET, _MAX_NET_SHARE * len(rows)):
        reason = f"{charges.sum():g} in all"
    if reason:
        raise InputError(
            f"{source}: expected charges in e in column 5, got {reason}; leave the column out, or, if they "
            f"are charges, say so in the comment: {_COLUMNS}:initial_charges:R:1"
        )


def _extended(comment: str, rows: list[list[str]], source: str) -> ase.Atoms:
    """Read by ASE, labels of atoms made symbols."""
    match = re.search(r'Properties="?([\w:]+)', comment)
    if match and match[1].lower().startswith("species:s:1"):
        try:
            rows = [[symbol(parse_element(row[0])), *row[1:]] if row else row for row in rows]
        except InputError as error:
            raise InputError(f"{source}: {error}") from None
    text = "\n".join([str(len(rows)), comment, *(" ".join(row) for row in rows)]) + "\n"
    try:
        (atoms,) = read_xyz(io.StringIO(text), index=slice(None))
    except Exception as error:  # ASE raises whatever its parser trips over
        reason = " ".join(str(error).split())
        raise InputError(f"{source}: ASE cannot read it as extended xyz ({reason})") from None
    return atoms
