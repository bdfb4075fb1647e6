"""Potentials beyond the faces of their grids."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from torch_afm.data import PotentialGrid

#: Points at the faces of a grid that a potential is continued from.
_FACE_POINTS = 6000
#: Smallest singular value, relative to the largest, that such a fit keeps.
_RANK = 1e-6
#: Pairs of point and atom at once, and Å² from an atom within which nothing of it is used.
_PAIRS, _MIN_R2 = 1 << 20, 2.0


class Multipoles:
    """The potential of charges, dipoles and quadrupoles of atoms, and a constant, fitted to the faces of a
    grid.

    Shapes:
        pos ``[N, 3]`` Å in the frame of the grid.
    """

    def __init__(self, grid: PotentialGrid, pos: np.ndarray) -> None:
        self.pos = torch.from_numpy(pos)
        faces = np.zeros(grid.values.shape, bool)
        for axis in range(3):
            for end in (0, -1):
                faces[(*[slice(None)] * axis, end)] = True
        index = np.random.default_rng(0).permutation(np.argwhere(faces))[:_FACE_POINTS]
        design = self._design(torch.from_numpy(grid.origin + index @ grid.steps)).numpy()
        weights = np.linalg.lstsq(design, grid.values[tuple(index.T)], rcond=_RANK)[0]
        self.weights = torch.from_numpy(weights)

    def at(self, points: Tensor) -> Tensor:
        """The potential at ``points`` ``[P, 3]`` Å, differentiable in them."""
        parts = points.split(max(1, _PAIRS // len(self.pos)))
        return torch.cat([self._design(part) @ self.weights for part in parts])

    def _design(self, points: Tensor) -> Tensor:
        d = points[:, None] - self.pos
        inverse = d.square().sum(2).clamp(min=_MIN_R2).rsqrt()
        x, y, z = (d * inverse[..., None]).unbind(2)
        cube = inverse**3
        # Normalized alike, so that the fit does not depend on how the sample is turned.
        second = (x * y, x * z, y * z, (x * x - y * y) / 2, (3 * z * z - 1) / 12**0.5)
        columns = [torch.ones(len(points), 1, dtype=points.dtype), inverse]
        columns += [d[..., axis] * cube for axis in range(3)] + [term * cube for term in second]
        return torch.cat(columns, 1)


class NearestPoint:
    """A potential that goes on as at the nearest point of its grid, along the edges of it that do not
    repeat."""

    def __init__(self, grid: PotentialGrid, pbc: np.ndarray) -> None:
        self.grid, self.pbc = grid, pbc

    def __call__(self, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """At the points of the grid from a first to a last index, both included."""
        values = self.grid.values
        for axis, (a, b) in enumerate(zip(first, last, strict=True)):
            along, size = np.arange(a, b + 1), values.shape[axis]
            values = values.take(along % size if self.pbc[axis] else along.clip(0, size - 1), axis)
        return values
