"""Electrostatic potentials and electron densities on a grid, from cube, xsf and VASP's files."""

from __future__ import annotations

import io
import re
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import ase.io.cube
import ase.io.xsf
import numpy as np
from ase import Atoms
from ase.units import Bohr, Hartree, Rydberg

from torch_afm.data import DensityGrid, PotentialGrid
from torch_afm.data.scalar_grid import ScalarGrid
from torch_afm.io.files import read_text
from torch_afm.utils import InputError

#: Points that a grid may have: ASE takes some 100 bytes for each while it reads.
MAX_POINTS = 1 << 25
#: eV in the units that values may have.
_UNITS = {"hartree": Hartree, "rydberg": Rydberg, "ev": 1.0}
#: e/Å³ in the units that densities may have.
_DENSITIES = {"e/Bohr3": Bohr**-3, "e/A3": 1.0}
#: How the names of VASP's files begin.
_VASP = ("CHGCAR", "AECCAR", "PARCHG", "LOCPOT")


_G = TypeVar("_G", bound=ScalarGrid)


def read_potential(path: str | Path, electron: bool = False, unit: str | None = None) -> PotentialGrid:
    """The electrostatic potential in a ``.cube`` or ``.xsf`` file or VASP's ``LOCPOT``, read by ASE.

    Lengths of an xsf file are in Å, those of a cube in Bohr, or in Å where its numbers of points are
    negative, as the format has it. Neither format keeps the unit of the values. Where a comment or the name
    of the grid says eV, Ry or Rydberg, that is taken; else, as in ppafm, Hartree in a cube and eV in an xsf
    file. In an xsf file the last point along an edge belongs to the far face; where it repeats the first, as
    in a periodic system, it is left out. Exponents may be Fortran's (``1.0D-03``). A LOCPOT, in eV, is known
    to be an electron's energy.

    Args:
        path: the file, holding one grid and the atoms.
        electron: the file holds the energy of an electron, as the Hartree and local potentials of most DFT
            codes do (VASP, CP2K, Quantum ESPRESSO), and is multiplied by −1. The potential of a positive
            charge, as quantum chemistry writes it (Gaussian's ``cubegen``), is taken as it stands. A warning
            says so where the values at the nuclei speak for the other sign.
        unit: of the values, "Hartree", "Rydberg" or "eV", whatever the file says.

    Raises:
        InputError: for a missing file, another suffix or unit, one that ASE cannot read, more than 33 million
            points, several grids in one, two units, or anything :class:`PotentialGrid` refuses, naming the
            file.
    """
    path = Path(path)
    if unit is not None and unit.lower() not in _UNITS:
        raise InputError(f"unit: expected 'Hartree', 'Rydberg' or 'eV', got {unit!r}")
    grid, atoms = _read_grid(path, PotentialGrid, lambda text, usual: _volts(text, usual, unit))
    sign = -1 if electron or _format(path) == "vasp" else 1
    # ASE divides whatever it finds in VASP's files by the volume.
    sign *= atoms.get_volume() if _format(path) == "vasp" else 1
    grid = PotentialGrid(sign * grid.values, grid.origin, grid.cell)
    near = _at(grid, atoms.positions)
    if len(near) and near.mean() < grid.values.mean():
        warnings.warn(
            f"{path}: the potential is lower at the nuclei than on average, which no positive charge feels; "
            f"expected electron={not electron}, got {electron}",
            stacklevel=2,
        )
    return grid


def read_density(path: str | Path, unit: str | None = None) -> tuple[DensityGrid, Atoms]:
    """The electron density in a ``.cube`` or ``.xsf`` file or VASP's ``CHGCAR``, ``AECCAR`` or ``PARCHG``,
    and the atoms beside it, read by ASE: frames as :func:`read_potential` reads them, values in e/Bohr³ in a
    cube and e/Å³ in an xsf file, unless ``unit`` says otherwise. VASP's values are divided by the volume of
    the cell.

    Args:
        path: the file, holding one grid and the atoms.
        unit: of the values, "e/Bohr3" or "e/A3".

    Raises:
        InputError: as :func:`read_potential` does.
    """
    if unit is not None and unit not in _DENSITIES:
        raise InputError(f"unit: expected 'e/Bohr3' or 'e/A3', got {unit!r}")
    usual = {".cube": "e/Bohr3", ".xsf": "e/A3", "vasp": "e/A3"}
    path = Path(path)
    return _read_grid(path, DensityGrid, lambda text, _: _DENSITIES[unit or usual[_format(path)]])


def _read_grid(path: Path, of_type: type[_G], scale: Callable[[str, str], float]) -> tuple[_G, Atoms]:
    """The grid and atoms of a file, its values times ``scale`` of its text and the usual unit."""
    suffix = _format(path)
    if suffix not in _READERS:
        raise InputError(
            f"{path}: expected a file ending in .cube or .xsf, or named {', '.join(_VASP)}, got {path.name!r}"
        )
    text = read_text(path)
    if suffix != "vasp":
        text = re.sub(r"(?<=[0-9.])[dD](?=[+-]?[0-9])", "e", text)
    read, usual = _READERS[suffix]
    try:
        values, origin, cell, atoms = read(text)
        return of_type(scale(text, usual) * values, origin, cell), atoms
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # ASE raises whatever its parsers trip over
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: ASE cannot read it as {suffix.strip('.')} ({reason})") from None


def _format(path: Path) -> str:
    """The suffix, or "vasp" for a file of VASP's names, which may go on: ``CHGCAR_sum``, ``LOCPOT.vasp``."""
    suffix = path.suffix.lower()
    return "vasp" if suffix not in _READERS and path.name.upper().startswith(_VASP) else suffix


def _volts(text: str, usual: str, unit: str | None) -> float:
    return _UNITS[unit.lower() if unit else _stated_unit(text) or usual]


#: Values, origin, edges of the box, atoms.
_Grid = tuple[np.ndarray, np.ndarray, np.ndarray, Atoms]


def _read_cube(text: str) -> _Grid:
    lines = text.splitlines()
    rows = [line.split() for line in lines[3:6]]
    counts = [int(row[0]) for row in rows]
    if len({n < 0 for n in counts}) > 1:
        raise InputError(f"expected numbers of points all positive (Bohr) or all negative (Å), got {counts}")
    _check_size(counts)
    lines[3:6] = [" ".join([str(abs(n)), *row[1:]]) for n, row in zip(counts, rows, strict=True)]
    content = ase.io.cube.read_cube(io.StringIO("\n".join(lines)))
    if len(content["datas"]) != 1:
        raise InputError(f"expected one value a point, got {len(content['datas'])}")
    values, atoms, length = content["data"], content["atoms"], 1 / Bohr if counts[0] < 0 else 1.0
    atoms.positions *= length
    cell = length * content["spacing"] * np.array(values.shape)[:, None]
    return values, length * content["origin"], cell, atoms


def _read_xsf(text: str) -> _Grid:
    grids = re.findall(r"BEGIN_DATAGRID_3D\S*\s+(\d+)\s+(\d+)\s+(\d+)", text)
    if len(grids) > 1:
        raise InputError(f"expected one grid, got {len(grids)}")
    _check_size([int(n) for counts in grids for n in counts])
    values, origin, edges, atoms = ase.io.xsf.read_xsf(io.StringIO(text), read_data=True)
    if min(values.shape) < 2:
        raise InputError(f"expected at least 2 points along each edge, got {values.shape}")
    spacing = edges / (np.array(values.shape) - 1)[:, None]
    scale = np.abs(values).max()
    for axis in range(3):
        first, last = values.take(0, axis), values.take(-1, axis)
        if np.abs(first - last).max() <= 1e-5 * scale:
            values = values.take(range(values.shape[axis] - 1), axis)
    return values, origin, spacing * np.array(values.shape)[:, None], atoms


def _read_vasp(text: str) -> _Grid:
    """The first grid of a CHGCAR or LOCPOT; ASE divides both by the volume of the cell."""
    import ase.calculators.vasp  # slow to import

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "CHGCAR"
        file.write_text(text, "utf-8")
        found = ase.calculators.vasp.VaspChargeDensity(str(file))
    if not found.chg:
        raise InputError("expected a grid below the atoms, got none")
    atoms = found.atoms[0]
    _check_size(list(found.chg[0].shape))
    return np.asarray(found.chg[0]), np.zeros(3), np.asarray(atoms.cell), atoms


def _check_size(counts: list[int]) -> None:
    if np.prod(counts, dtype=float) > MAX_POINTS or not all(counts):
        raise InputError(f"expected a grid of 1 to {MAX_POINTS} points, got {' x '.join(map(str, counts))}")


def _stated_unit(text: str) -> str | None:
    """The unit that the words of the file name: its first two lines, comments and the lines of an xsf grid's
    head. "Hartree" is no unit, but a kind of potential."""
    words = [line for i, line in enumerate(text.splitlines()) if i < 2 or "#" in line or "GRID" in line]
    named = re.findall(r"(?<![a-z])(ev|ry|rydberg)(?![a-z])", " ".join(words).lower())
    units = {"ev" if name == "ev" else "rydberg" for name in named}
    if len(units) > 1:
        raise InputError("expected one unit in its comments, got eV and Rydberg; give unit")
    return next(iter(units), None)


def _at(grid: PotentialGrid, pos: np.ndarray) -> np.ndarray:
    """Values at the grid points nearest to those of ``pos`` within the grid."""
    shape = np.array(grid.values.shape)
    index = np.rint((pos - grid.origin) @ np.linalg.inv(grid.cell) * shape).astype(int)
    index = index[((index >= 0) & (index < shape)).all(axis=1)]
    return grid.values[tuple(index.T)]


#: Endings of files -> their reader, and the unit of values that state none.
_READERS: dict[str, tuple[Callable[[str], _Grid], str]] = {
    ".cube": (_read_cube, "hartree"),
    ".xsf": (_read_xsf, "ev"),
    "vasp": (_read_vasp, "ev"),
}
