"""Energies on a grid: electrostatics from a potential instead of point charges, and the spline that probes
feel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import correlate1d, map_coordinates
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.data import PotentialGrid
from torch_afm.utils import InputError

#: Å around the free probes that the field covers, for the probe bends.
_MARGIN = 1.0
#: Å between the knots of the field.
_SPACING = 0.12
#: Knots that a field may have.
_MAX_KNOTS = 1 << 26
#: Points a grid is continued by at every face: as far as a value reaches.
_PAD = 6
#: Of the samples of a B-spline of degree 3 and 5 as 1 + a δ² + b δ⁴ with the second difference δ²: a, b, and
#: the power of δ² to which its inverse is expanded.
_SAMPLES = {3: (1 / 6, 0.0, 4), 5: (1 / 4, 1 / 120, 3)}


class EnergyField(NamedTuple):
    """Energy of a tip over the probe's position, as a cubic B-spline.

    Shapes:
        coefficients ``[nx, ny, nz]`` eV; low ``[3]``, the knot of the first coefficient in the render frame,
        and spacing ``[3]``, Å; all float64, differentiable in the first two.
    """

    coefficients: Tensor
    low: Tensor
    spacing: Tensor

    @property
    def requires_grad(self) -> bool:
        """Whether anything that it was made of is to be differentiated."""
        return self.coefficients.requires_grad or self.low.requires_grad


def potential_field(
    grid: PotentialGrid,
    pbc: np.ndarray,
    origin: np.ndarray,
    aside: np.ndarray,
    charges: np.ndarray,
    heights: np.ndarray,
    scan: Scan,
) -> EnergyField:
    r"""The energy :math:`U(r) = \sum_c Q_c V(r + z_c \hat z)` of a tip's charges in the potential, sampled by
    a spline of degree 5 where the probe may come to.

    Nuclei are peaks that no spline follows, and one through all points rings around them. This one is not
    made to run through them: its coefficients are short sums of the values (:func:`spline`), so that a point
    of the grid matters up to 6 spacings away and no farther, as a knot of the field does. A nucleus farther
    than that from a charge of the tip, 1.9 Å for a grid of 0.2 Å, is as if its peak were not there.

    Args:
        grid: the potential.
        pbc: along which edges of its cell it repeats.
        origin: of the render frame in that of the grid, Å.
        aside: of the free probe from its pixel, Å.
        charges: of the tip, e.
        heights: above the probe, Å.
        scan: window, pixels, heights.

    Shapes:
        pbc ``[3]``, origin ``[3]``, aside ``[2]``, charges and heights ``[C]``.

    Raises:
        InputError: where a charge of the tip on the free probe is outside of the grid, and for a scan of more
            than 116 000 Å³, the bend of the probe included.
    """
    half = np.array(scan.extent) / 2
    low = np.array([*(aside - half), scan.heights(0.0)[-1]])
    high = np.array([*(aside + half), scan.heights(0.0)[0]])
    _check_covered(grid, pbc, low + origin, high + origin, heights[charges != 0])
    low, high = low - _MARGIN, high + _MARGIN
    count = np.ceil((high - low) / _SPACING).astype(int) + 1
    spacing = (high - low) / (count - 1)
    if np.prod(count, dtype=float) > _MAX_KNOTS:
        raise InputError(
            f"scan: expected at most {_MAX_KNOTS} knots of {_SPACING} Å in a potential on a grid, got "
            f"{' x '.join(map(str, count))}; scan a smaller window"
        )
    x, y, z = (a + s * np.arange(n) for a, s, n in zip(low + origin, spacing, count, strict=True))
    coefficients = spline(_continued(grid, pbc), 5)
    energy = np.zeros(count)
    for row, at_x in zip(energy, x, strict=True):
        for charge, height in zip(charges, heights, strict=True):
            if charge:
                points = np.stack(np.meshgrid(at_x, y, z + height, indexing="ij")).reshape(3, -1)
                at = _index(grid, pbc, points.T).T + _PAD
                found = map_coordinates(coefficients, at, order=5, mode="nearest", prefilter=False)
                row += charge * found.reshape(row.shape)
    # Continued so that the slope goes on at the edges, too.
    wide = np.pad(energy, _PAD, mode="reflect", reflect_type="odd")
    inner = (slice(_PAD, -_PAD),) * 3
    return EnergyField(*map(torch.from_numpy, (spline(wide, 3)[inner], low, spacing)))


def field_force_hessian(
    probe: Tensor, coefficients: Tensor, low: Tensor, spacing: Tensor
) -> tuple[Tensor, Tensor]:
    """Force of the field on each probe and the Hessian of its energy; past the edge, those at the edge.

    Shapes:
        probe ``[P, 3]``, low and spacing ``[3]`` Å, coefficients ``[nx, ny, nz]`` eV; returns ``[P, 3]`` eV/Å
        and ``[P, 3, 3]`` eV/Å².
    """
    index, w = _knots(probe, low, spacing, coefficients.shape)
    c = coefficients.flatten()[index]

    def along(*orders: int) -> Tensor:
        """Derivative of these orders in x, y and z."""
        scale = torch.prod(spacing ** torch.tensor(orders, device=probe.device))
        return torch.einsum("pxyz,px,py,pz->p", c, *(w[o][:, i] for i, o in enumerate(orders))) / scale

    force = -torch.stack([along(1, 0, 0), along(0, 1, 0), along(0, 0, 1)], 1)
    xy, xz, yz = along(1, 1, 0), along(1, 0, 1), along(0, 1, 1)
    rows = [along(2, 0, 0), xy, xz, xy, along(0, 2, 0), yz, xz, yz, along(0, 0, 2)]
    return force, torch.stack(rows, 1).reshape(-1, 3, 3)


def pull_field(
    probe: Tensor, cotangent: Tensor, hessian: Tensor, field: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Gradient of Σ ``cotangent`` · force of the field in its coefficients and its first knot.

    Args:
        probe: positions, Å.
        cotangent: of the force on each.
        hessian: of the field there.
        field: coefficients, first knot and spacing.

    Shapes:
        probe and cotangent ``[P, 3]``, hessian ``[P, 3, 3]``; returns ``[nx, ny, nz]`` and ``[3]``.
    """
    coefficients, low, spacing = field
    index, w = _knots(probe, low, spacing, coefficients.shape)
    c = cotangent / spacing
    x, y, z = (torch.einsum("p,px,py,pz->pxyz", -c[:, a], *_slopes(w, a)) for a in range(3))
    sums = coefficients.new_zeros(coefficients.numel())
    sums.index_add_(0, index.flatten(), (x + y + z).flatten())
    return sums.reshape(coefficients.shape), torch.einsum("pij,pj->i", hessian, cotangent)


def _slopes(w: Tensor, axis: int) -> list[Tensor]:
    """Weights along x, y and z of the derivative along ``axis``."""
    return [w[int(a == axis)][:, a] for a in range(3)]


def _knots(probe: Tensor, low: Tensor, spacing: Tensor, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Flat indices ``[P, 4, 4, 4]`` of the knots around each probe and, by derivative 0 to 2, their weights
    ``[3, P, 3 axes, 4]``."""
    size = low.new_tensor(shape)
    t = ((probe - low) / spacing).clamp(min=torch.ones_like(low), max=size - 2 - 1e-4)
    knot = t.floor()
    x, y, z = (knot.long().unsqueeze(2) + torch.arange(-1, 3, device=probe.device)).unbind(1)
    flat = (x[:, :, None, None] * shape[1] + y[:, None, :, None]) * shape[2] + z[:, None, None, :]
    return flat, _weights(t - knot)


def _weights(t: Tensor) -> Tensor:
    """Cubic B-spline weights of the four knots around and their derivatives, ``[3, ..., 4]``."""
    s = 1 - t
    value = [s**3 / 6, (3 * t**3 - 6 * t**2 + 4) / 6, (3 * s**3 - 6 * s**2 + 4) / 6, t**3 / 6]
    first = [-(s**2) / 2, (3 * t**2 - 4 * t) / 2, (4 * s - 3 * s**2) / 2, t**2 / 2]
    second = [s, 3 * t - 2, 3 * s - 2, t]
    return torch.stack([torch.stack(v, -1) for v in (value, first, second)])


def spline(values: np.ndarray, degree: int) -> np.ndarray:
    r"""Coefficients of the B-spline of degree 3 or 5 that approximates ``values`` as well as the one through
    them (to the same order, :math:`h^4` or :math:`h^6`), each from no more than 4 or 3 neighbors along an
    axis: the inverse of the samples of a B-spline, expanded in the second difference δ² (de Boor and Fix, J.
    Approx. Theory 8, 19 (1973))."""
    taps = spline_taps(degree)
    for axis in range(values.ndim):
        values = correlate1d(values, taps, axis=axis, mode="mirror")
    return values


def spline_taps(degree: int, terms: int | None = None) -> np.ndarray:
    """What :func:`spline` correlates values with along each axis; ``terms`` powers of δ² in place of its 4 or
    3."""
    a, b, most = _SAMPLES[degree]
    most = most if terms is None else terms
    factors, powers = [1.0, -a], [np.ones(1), np.array([1.0, -2.0, 1.0])]
    for _ in range(most - 1):
        factors.append(-a * factors[-1] - b * factors[-2])
        powers.append(np.convolve(powers[-1], powers[1]))
    taps = sum(f * np.pad(p, most - len(p) // 2) for f, p in zip(factors, powers, strict=True))
    return np.asarray(taps)


def _index(grid: PotentialGrid, pbc: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Fractional indices of ``points`` ``[P, 3]`` in the grid, within it along periodic edges."""
    shape = np.array(grid.values.shape)
    index = (points - grid.origin) @ np.linalg.inv(grid.cell) * shape
    return np.where(pbc, index % shape, index)


def _continued(grid: PotentialGrid, pbc: np.ndarray) -> np.ndarray:
    """Values past the faces: repeated along periodic edges, else so that the slope goes on."""
    values = grid.values
    for axis, periodic in enumerate(pbc):
        width = [(_PAD, _PAD) if a == axis else (0, 0) for a in range(3)]
        if periodic:
            values = np.pad(values, width, mode="wrap")
        else:
            values = np.pad(values, width, mode="reflect", reflect_type="odd")
    return values


def _check_covered(
    grid: PotentialGrid, pbc: np.ndarray, low: np.ndarray, high: np.ndarray, heights: np.ndarray
) -> None:
    if not len(heights):
        return
    up = np.array([0.0, 0.0, 1.0])
    box = np.array([low + heights.min() * up, high + heights.max() * up])
    corners = np.stack(np.meshgrid(*box.T, indexing="ij"), -1).reshape(-1, 3)
    index = _index(grid, pbc, corners)
    if ((index < 0) | (index > np.array(grid.values.shape) - 1))[:, ~pbc].any():
        raise InputError(
            "potential: expected a grid that reaches every charge of the tip, "
            f"{np.round(box[0], 2).tolist()} to {np.round(box[1], 2).tolist()} Å, got one from "
            f"{np.round(grid.origin, 2).tolist()} with the cell {np.round(grid.cell, 2).tolist()}"
        )
