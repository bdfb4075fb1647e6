"""How near two atoms may be."""

from __future__ import annotations

import numpy as np
from ase.neighborlist import primitive_neighbor_list
from scipy.spatial import cKDTree
from torch import Tensor

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
    if cell is not None and pbc is not None and np.any(pbc[:2]) and len(points):
        lateral = np.array([*pbc[:2], False], dtype=bool)
        i, j, d = primitive_neighbor_list("ijd", lateral, cell, points, MIN_DISTANCE)
    elif len(points) > 1:
        i, j = cKDTree(points).query_pairs(MIN_DISTANCE, output_type="ndarray").T
        d = np.linalg.norm(points[i] - points[j], axis=1)
    else:
        return
    if len(d):
        k = int(d.argmin())
        image = " (or its periodic image)" if pbc is not None and np.any(pbc[:2]) else ""
        raise InputError(
            f"{name}: expected atoms at least {MIN_DISTANCE} Å from each other, got atoms {i[k] + 1} and "
            f"{j[k] + 1}{image} at {d[k]:.3f} Å"
        )
