"""Electrostatic potentials on a grid, from cube and xsf files."""

from __future__ import annotations

import warnings
from pathlib import Path

import ase.io.cube
import ase.io.xsf
import numpy as np
from ase import Atoms
from ase.units import Hartree

from torch_afm.data import PotentialGrid
from torch_afm.utils import InputError


def read_potential(path: str | Path, electron: bool = False) -> PotentialGrid:
    """The electrostatic potential in a ``.cube`` or ``.xsf`` file, read by ASE.

    Neither format keeps a unit of the values. As in ppafm, they are taken to be in Hartree in a cube and in
    eV in an xsf file; lengths are in Bohr and in Å. In an xsf file the last point along an edge belongs to
    the far face; where it repeats the first, as in a periodic system, it is left out.

    Args:
        path: the file, holding one grid and the atoms.
        electron: the file holds the energy of an electron, as the Hartree and local potentials of most DFT
            codes do (VASP, CP2K, Quantum ESPRESSO), and is multiplied by −1. The potential of a positive
            charge, as quantum chemistry writes it (Gaussian's ``cubegen``), is taken as it stands. A warning
            says so where the values at the nuclei speak for the other sign.

    Raises:
        InputError: for a missing file, another suffix, one that ASE cannot read, several grids in one, or
            anything :class:`PotentialGrid` refuses, naming the file.
    """
    path = Path(path)
    readers = {".cube": _read_cube, ".xsf": _read_xsf}
    if path.suffix.lower() not in readers:
        raise InputError(f"{path}: expected a file ending in {', '.join(readers)}, got {path.suffix!r}")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        values, origin, cell, atoms = readers[path.suffix.lower()](path)
        grid = PotentialGrid(-values if electron else values, origin, cell)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # ASE raises whatever its parsers trip over
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: ASE cannot read it as {path.suffix.lower()[1:]} ({reason})") from None
    near = _at(grid, atoms.positions)
    if len(near) and near.mean() < grid.values.mean():
        warnings.warn(
            f"{path}: the potential is lower at the nuclei than on average, which no positive charge feels; "
            f"expected electron={not electron}, got {electron}",
            stacklevel=2,
        )
    return grid


def _read_cube(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, Atoms]:
    with open(path, encoding="utf-8") as file:
        content = ase.io.cube.read_cube(file)
    if len(content["datas"]) != 1:
        raise InputError(f"expected one value a point, got {len(content['datas'])}")
    values = content["data"]
    cell = content["spacing"] * np.array(values.shape)[:, None]
    return values * Hartree, content["origin"], cell, content["atoms"]


def _read_xsf(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, Atoms]:
    with open(path, encoding="utf-8") as file:
        values, origin, edges, atoms = ase.io.xsf.read_xsf(file, read_data=True)
    if min(values.shape) < 2:
        raise InputError(f"expected at least 2 points along each edge, got {values.shape}")
    spacing = edges / (np.array(values.shape) - 1)[:, None]
    scale = np.abs(values).max()
    for axis in range(3):
        first, last = values.take(0, axis), values.take(-1, axis)
        if np.abs(first - last).max() <= 1e-5 * scale:
            values = values.take(range(values.shape[axis] - 1), axis)
    return values, origin, spacing * np.array(values.shape)[:, None], atoms


def _at(grid: PotentialGrid, pos: np.ndarray) -> np.ndarray:
    """Values at the grid points nearest to those of ``pos`` within the grid."""
    shape = np.array(grid.values.shape)
    index = np.rint((pos - grid.origin) @ np.linalg.inv(grid.cell) * shape).astype(int)
    index = index[((index >= 0) & (index < shape)).all(axis=1)]
    return grid.values[tuple(index.T)]
