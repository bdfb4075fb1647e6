"""Pairs of atoms within a cutoff, across periodic boundaries where there are any, and their angles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pairs:
    """Neighbors of some central atoms, sorted by center and, for each, by distance.

    Args:
        center: place of the central atom in the list of centers.
        other: index of the neighbor among the atoms of the structure.
        vector: from the center to the neighbor (the periodic image meant) in Å.
        distance: its length in Å.
        start: first row of each center, and the number of rows at the end.

    Shapes:
        center, other, distance ``[P]``, vector ``[P, 3]``, start ``[C + 1]`` for ``C`` centers.
    """

    center: np.ndarray
    other: np.ndarray
    vector: np.ndarray
    distance: np.ndarray
    start: np.ndarray

    @property
    def count(self) -> np.ndarray:
        """Neighbors of each center ``[C]``."""
        return np.diff(self.start)

    def keep(self, mask: np.ndarray) -> Pairs:
        """The rows where ``mask`` is true; every center stays."""
        start = np.concatenate([[0], np.cumsum(mask)])[self.start]
        return Pairs(self.center[mask], self.other[mask], self.vector[mask], self.distance[mask], start)

    def twos(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of every two neighbors of one center, each two once, the nearer one first."""
        row = np.arange(len(self.center))
        first, within = _spread(self.start[self.center + 1] - row - 1)
        return first, first + 1 + within

    def join(self, center: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each entry of ``center`` all rows of that center: entry and row of each."""
        entry, within = _spread(self.count[center])
        return entry, self.start[center[entry]] + within


def _spread(count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Entry ``i`` repeated ``count[i]`` times, and 0, 1, ... within each."""
    entry = np.repeat(np.arange(len(count)), count)
    return entry, np.arange(len(entry)) - np.repeat(np.cumsum(count) - count, count)


def wrap(pos: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """Positions moved into the cell along periodic directions.

    Shapes:
        pos ``[N, 3]``, cell ``[3, 3]`` with lattice vectors as rows, pbc ``[3]`` -> ``[N, 3]``.
    """
    return pos - (np.floor(pos @ np.linalg.inv(cell)) * pbc) @ cell if pbc.any() else pos


def neighbors(
    pos: np.ndarray,
    centers: np.ndarray,
    others: np.ndarray,
    cutoff: float,
    cell: np.ndarray,
    pbc: np.ndarray,
) -> Pairs:
    """Every (center, other) within a cutoff; an atom is no neighbor of itself, but its images are.

    Args:
        pos: positions in Å, wrapped into the cell along periodic directions.
        centers: indices of the central atoms.
        others: indices of the atoms that may be neighbors.
        cutoff: longest distance in Å, included.
        cell: lattice vectors in Å as rows, linearly independent.
        pbc: which of them are repeated.

    Shapes:
        pos ``[N, 3]``, centers ``[C]``, others ``[M]``, cell ``[3, 3]``, pbc ``[3]``.
    """
    index, points, home = others, pos[others], np.ones(len(others), dtype=bool)
    if pbc.any():
        # Distance between opposite faces of the cell, and so the shell of images that may be reached.
        inverse = np.linalg.inv(cell)
        margin = cutoff * np.linalg.norm(inverse, axis=0)
        for axis in np.flatnonzero(pbc):
            reach = int(np.ceil(margin[axis]))
            shift = np.repeat(np.arange(-reach, reach + 1), len(points))
            index, home = np.tile(index, 2 * reach + 1), np.tile(home, 2 * reach + 1) & (shift == 0)
            points = np.tile(points, (2 * reach + 1, 1)) + shift[:, None] * cell[axis]
            place = points @ inverse[:, axis]
            near = (place > -margin[axis] - 1e-9) & (place < 1 + margin[axis] + 1e-9)
            index, points, home = index[near], points[near], home[near]
    if not len(centers) or not len(points):
        rows = np.empty(0, dtype=int)
        return Pairs(rows, rows, np.empty((0, 3)), np.empty(0), np.zeros(len(centers) + 1, dtype=int))
    from scipy.spatial import cKDTree  # not at the top: the help of a command would wait for it

    found = cKDTree(pos[centers]).sparse_distance_matrix(
        cKDTree(points), cutoff * (1 + 1e-9), output_type="ndarray"
    )
    center, image = found["i"], found["j"]
    vector = points[image] - pos[centers[center]]
    distance = np.sqrt(np.einsum("pk,pk->p", vector, vector))
    row = np.flatnonzero((distance <= cutoff) & ~(home[image] & (index[image] == centers[center])))
    row = row[np.lexsort((distance[row], center[row]))]
    start = np.searchsorted(center[row], np.arange(len(centers) + 1))
    return Pairs(center[row], index[image[row]], vector[row], distance[row], start)


def angle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Angle between vectors in degrees, as accurate near 0° and 180° as anywhere (W. Kahan).

    Shapes:
        u, v ``[N, 3]`` -> ``[N]``.
    """
    u, v = (w / np.sqrt(np.einsum("nk,nk->n", w, w))[:, None] for w in (u, v))
    difference, total = (np.sqrt(np.einsum("nk,nk->n", w, w)) for w in (u - v, u + v))
    return np.degrees(2 * np.arctan2(difference, total))
