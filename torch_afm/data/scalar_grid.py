"""Values on a regular grid in any cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from torch_afm.utils import InputError, check_finite, check_shape


@dataclass(eq=False)
class ScalarGrid:
    """A scalar on a regular grid: point ``(i, j, k)`` lies at
    ``origin + i/nx cell[0] + j/ny cell[1] + k/nz cell[2]``, the cell's far faces left out.

    Args:
        values: the scalar.
        origin: position of the first point in Å.
        cell: edges of the box that the grid fills in Å, rows.

    Shapes:
        values ``[nx, ny, nz]``, origin ``[3]``, cell ``[3, 3]``, all float64.

    Raises:
        InputError: for a wrong shape, fewer than two points along an edge, values that are not finite and a
            cell without volume, naming the argument.
    """

    values: np.ndarray
    origin: np.ndarray
    cell: np.ndarray

    def __post_init__(self) -> None:
        for name, shape in (("values", (None, None, None)), ("origin", (3,)), ("cell", (3, 3))):
            array = np.asarray(getattr(self, name))
            if array.dtype.kind not in "fiu":
                raise InputError(f"{name}: expected real numbers, got {array.dtype}")
            check_shape(name, array, shape)
            check_finite(name, array)
            setattr(self, name, array.astype(np.float64))
        if min(self.values.shape) < 2:
            raise InputError(f"values: expected at least 2 points along each edge, got {self.values.shape}")
        lengths = np.linalg.norm(self.cell, axis=1)
        if abs(np.linalg.det(self.cell)) <= 1e-6 * np.prod(lengths):
            raise InputError(f"cell: expected three edges that span a volume, got {self.cell.tolist()}")

    @property
    def steps(self) -> np.ndarray:
        """From a point to the next along each edge, rows, ``[3, 3]`` Å."""
        return self.cell / np.array(self.values.shape)[:, None]

    @property
    def integral(self) -> float:
        """Over the cell, in the unit of the values times Å³."""
        return float(self.values.sum() * abs(np.linalg.det(self.steps)))

    def index(self, points: np.ndarray) -> np.ndarray:
        """Fractional indices of ``points`` ``[P, 3]`` Å."""
        return (points - self.origin) @ np.linalg.inv(self.steps)

    def points(self) -> np.ndarray:
        """Places of all points, ``[nx, ny, nz, 3]`` Å."""
        counts = np.meshgrid(*map(np.arange, self.values.shape), indexing="ij")
        return self.origin + np.stack(counts, -1) @ self.steps
