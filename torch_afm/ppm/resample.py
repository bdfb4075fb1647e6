"""Values of one grid on another that lies askew in it, differentiable in how it lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from scipy.interpolate import BSpline
from scipy.ndimage import affine_transform
from torch import Tensor
from torch.autograd.function import once_differentiable

from torch_afm.data.scalar_grid import ScalarGrid
from torch_afm.ppm.potential import spline

#: Points beyond those asked for, so that no value depends on where a grid was cut.
_PAD = 8
#: Of the spline.
_DEGREE = 3
#: Of finite differences, in spacings: of cubic polynomials, they err by its square.
_STEP = 1e-4
#: Spacings by which points may stray from the axes of the grid and count as along them.
_STRAIGHT = 1e-6


def resample(
    grid: ScalarGrid,
    pbc: np.ndarray,
    corner: Tensor,
    steps: Tensor,
    shape: Sequence[int],
    beyond: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> Tensor:
    """Values of ``grid`` at the points ``corner + i steps[0] + j steps[1] + k steps[2]``, by a cubic spline
    of which each value matters up to 7 points away and no farther
    (:func:`torch_afm.ppm.potential.spline`).

    Args:
        grid: what to sample.
        pbc: along which edges of its cell it repeats.
        corner: the first point, Å.
        steps: from a point to the next along each axis, Å.
        shape: numbers of points.
        beyond: values that count outside of the grid, from a first to a last index; zero by default.

    Shapes:
        pbc ``[3]``, corner ``[3]``, steps ``[3, 3]``, both differentiable; returns ``shape``, float64.
    """
    inverse = torch.from_numpy(np.linalg.inv(grid.steps))
    offset = (corner - torch.from_numpy(grid.origin)) @ inverse
    matrix = steps @ inverse
    ends = np.stack(np.meshgrid(*[(0, n - 1) for n in shape], indexing="ij"), -1).reshape(-1, 3)
    index = ends @ matrix.detach().numpy() + offset.detach().numpy()
    first = np.floor(index.min(0)).astype(int) - _PAD
    last = np.ceil(index.max(0)).astype(int) + _PAD
    values = _window(grid, pbc, first, last, beyond)
    return _Resample.apply(spline(values, _DEGREE), offset - torch.from_numpy(first), matrix, tuple(shape))


def _window(
    grid: ScalarGrid,
    pbc: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    beyond: Callable[[np.ndarray, np.ndarray], np.ndarray] | None,
) -> np.ndarray:
    """Values at the indices ``first`` to ``last``, both included."""
    ranges = [np.arange(a, b + 1) for a, b in zip(first, last, strict=True)]
    taken = grid.values
    outside = np.zeros((1, 1, 1), bool)
    for axis, (along, size) in enumerate(zip(ranges, grid.values.shape, strict=True)):
        inside = pbc[axis] | ((along >= 0) & (along < size))
        taken = taken.take(along % size if pbc[axis] else along.clip(0, size - 1), axis)
        outside = outside | ~inside.reshape([-1 if a == axis else 1 for a in range(3)])
    if outside.any():
        taken = np.where(outside, 0.0 if beyond is None else beyond(first, last), taken)
    return taken


class _Resample(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, coefficients: np.ndarray, offset: Tensor, matrix: Tensor, shape: tuple[int, ...]
    ) -> Tensor:
        ctx.save_for_backward(offset, matrix)
        ctx.coefficients, ctx.shape = coefficients, shape
        return torch.from_numpy(
            sample_spline(coefficients, offset.detach().numpy(), matrix.detach().numpy(), shape)
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        offset, matrix = ctx.saved_tensors
        counts = [torch.arange(n, dtype=torch.float64) for n in ctx.shape]
        by_offset, by_matrix = torch.zeros(3, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64)
        for axis in range(3):
            # The slope of the very spline: a spline of the slopes at its knots is another one between them.
            step = _STEP * np.eye(3)[axis]
            ends = [
                sample_spline(ctx.coefficients, offset.numpy() + sign * step, matrix.numpy(), ctx.shape)
                for sign in (1, -1)
            ]
            product = grad * torch.from_numpy((ends[0] - ends[1]) / (2 * _STEP))
            by_offset[axis] = product.sum()
            by_matrix[0, axis] = product.sum((1, 2)) @ counts[0]
            by_matrix[1, axis] = product.sum((0, 2)) @ counts[1]
            by_matrix[2, axis] = product.sum((0, 1)) @ counts[2]
        return None, by_offset, by_matrix, None


def sample_spline(
    coefficients: np.ndarray, start: np.ndarray, lattice: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """The cubic spline of ``coefficients`` at the fractional indices ``start + counts @ lattice``."""
    if np.abs(lattice - np.diag(np.diag(lattice))).max() * max(shape) > _STRAIGHT:
        given = {"order": _DEGREE, "mode": "constant", "prefilter": False}
        return np.asarray(affine_transform(coefficients, lattice.T, start, shape, **given))
    # Along the axes of the grid: one after the other.
    basis = BSpline.basis_element(np.arange(-2.0, 3.0), extrapolate=False)
    for axis, size in enumerate(shape):
        at = start[axis] + lattice[axis, axis] * np.arange(size)
        weights = np.nan_to_num(basis(at[:, None] - np.arange(coefficients.shape[0])))
        coefficients = np.tensordot(coefficients, weights, axes=([0], [1]))
    return np.ascontiguousarray(coefficients)
