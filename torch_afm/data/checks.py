"""Checks of molecules: not periodic, without values on a grid, no two atoms in one place."""

from __future__ import annotations

import itertools

import numpy as np
from ase.geometry import minkowski_reduce
from scipy.spatial import cKDTree
from torch import Tensor

from torch_afm.data.afm_data import AFMData
from torch_afm.utils import InputError, check_finite, check_shape

#: Å: no two atoms are nearer than this; the shortest bond there is, of H₂, has 0.74.
MIN_DISTANCE = 0.5
#: Å: what lies farther away would overflow single precision once squared.
_MAX_COORDINATE = 1e15


def check_distances(
    name: str, pos: Tensor, cell: np.ndarray | None = None, pbc: np.ndarray | None = None
) -> None:
    """Raise :class:`InputError` for two atoms, or an atom and a periodic image along the surface, nearer than
    0.5 Å: fragments or structures on top of each other, an atom given twice, two sites of disorder, a wrong
    unit.

    Args:
        name: what messages call the positions.
        pos: positions in Å.
        cell: lattice vectors in rows, Å.
        pbc: along which of them the structure repeats; the third is ignored, as the renderers do.

    Shapes:
        pos ``[N, 3]``, cell ``[3, 3]``, pbc ``[3]``.
    """
    check_shape(name, pos, (None, 3))
    check_finite(name, pos)
    points = pos.detach().cpu().double().numpy()
    if (np.abs(points) >= _MAX_COORDINATE).any():
        raise InputError(f"{name}: expected positions in Å, got {np.abs(points).max():.3g} Å")
    if len(points) == 0:
        return
    vectors = np.zeros((0, 3))
    if cell is not None and pbc is not None and np.any(pbc[:2]):
        lateral = np.array([*pbc[:2], False], dtype=bool)
        vectors = minkowski_reduce(np.asarray(cell, dtype=np.float64) * lateral[:, None], lateral)[0][lateral]
    # Within one reduced cell, none but the next images can be the nearest.
    inside = points - np.floor(points @ np.linalg.pinv(vectors)) @ vectors
    counts = np.array(list(itertools.product((0, -1, 1), repeat=len(vectors))))
    images = (inside + (counts @ vectors)[:, None]).reshape(-1, 3)
    distances, found = cKDTree(images).query(inside, k=2, distance_upper_bound=MIN_DISTANCE)
    itself = found[:, 0] == np.arange(len(inside))
    distance = np.where(itself, distances[:, 1], distances[:, 0])
    first = int(distance.argmin())
    if distance[first] < MIN_DISTANCE:
        other = int(np.where(itself, found[:, 1], found[:, 0])[first])
        image = " (a periodic image)" if other >= len(points) else ""
        raise InputError(
            f"{name}: expected atoms at least {MIN_DISTANCE} Å from each other, got atoms {first + 1} and "
            f"{other % len(points) + 1}{image} at {distance[first]:.3f} Å"
        )


def check_no_potential(name: str, data: AFMData) -> None:
    """Raise :class:`InputError` for a graph with a potential or density on a grid, which belongs to all its
    atoms, where atoms are to be moved, added or taken."""
    for key in ("potential", "density"):
        if data.get(key) is not None:
            raise InputError(
                f"{name}: expected point charges, got a {key} on a grid, which would stay that of the atoms "
                f"before; delete {key}"
            )


def check_island(name: str, data: AFMData) -> None:
    """Raise :class:`InputError` for a graph that is periodic along the surface, or has a potential."""
    check_no_potential(name, data)
    pbc = data.get("pbc")
    if pbc is not None and data.get("cell") is not None and bool(pbc.reshape(-1, 3)[:, :2].any()):
        raise InputError(
            f"{name}: expected a molecule on its own, got one that repeats (pbc {pbc.reshape(-1).tolist()}); "
            "delete cell and pbc to take one cell as an island"
        )
