"""Structures with a cell, as CIF."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import ase
import ase.io
import numpy as np
import torch

from torch_afm.data import AFMData
from torch_afm.io.files import write_whole
from torch_afm.utils import InputError

#: Å: periodic images closer than this are one atom; vacuum above and below the structure.
_SAME, _VACUUM = 0.5, 10.0


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
