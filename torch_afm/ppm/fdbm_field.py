"""Energy of a probe in the full-density-based model, as a field that the renderers feel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.interpolate import BSpline
from scipy.ndimage import correlate1d
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.data import DensityGrid, PotentialGrid
from torch_afm.data.scalar_grid import ScalarGrid
from torch_afm.ppm.d3 import dispersion, dispersion_energy
from torch_afm.ppm.far_potential import Multipoles, NearestPoint
from torch_afm.ppm.fdbm import FDBM, Sample
from torch_afm.ppm.potential import EnergyField, spline_taps
from torch_afm.ppm.resample import resample
from torch_afm.ppm.tip_density import TipDensity
from torch_afm.utils import InputError

#: Å around the free probes that the field covers, for the probe bends.
_MARGIN = 1.0
#: Å between the points of the overlap and of the dispersion, and between the knots of the field: both lie at
#: multiples of these in the frame of the graph, so that a field does not depend on where it was cut.
_LATTICE, _KNOTS = 0.2, 0.06
#: Points around those wanted that splines need.
_EDGE, _TIP_EDGE = 9, 4
#: Powers of the second difference in the inverse of the samples of the spline of degree 5.
_TERMS = 5
#: Å from the probe that densities of a tip reach: aside and down, and up; and between their points, where
#: their grid is askew.
_REACH, _TIP_STEP = (4.0, 5.5), 0.1
#: e/Å³: densities are cut here before the power, for the cores of heavy nuclei alias; and are none below.
_CAP, _TINY = 100.0, 1e-12
#: Points that an overlap may have.
_MAX_POINTS = 1 << 24
#: Of the points beyond the grid of a potential every how many are computed, and powers of the second
#: difference of the spline between: it may not reach the atoms.
_STRIDE, _FAR_TERMS = 2, 3
#: Points from the faces of that grid within which its potential takes over.
_RIM = 3.0
#: Å: what a point or an edge may be off by and count as along the axes.
_ALONG = 1e-6


def energy_field(
    sample: Sample, model: FDBM, scan: Scan, probe: int, origin: Tensor, aside: np.ndarray, images: Tensor
) -> EnergyField:
    r"""Energy of the probe where it may come to, differentiable in A, B and the pose.

    Overlaps are cross-correlations by FFT on a lattice of 0.2 Å wide enough that none wraps around,

    .. math::
        E(R) = h^3 \mathrm{FFT}^{-1}\left[A\, \hat{ρ_s^B}\, \overline{\hat{ρ_t^B}}
            + \hat V_s\, \overline{\hat q_t}\right] ,

    brought to the knots of the field (0.06 Å) by a spline of degree 5. The densities of the tip are sharper
    than the lattice: each point of them is shared among those of the lattice around it by the weights with
    which that spline would interpolate there, so that their moments are kept and the sum is that over the
    points of the tip's own grid. Beyond the faces of its grid the density of the sample decays as it did
    before them, for some points, and its potential is that of multipoles of the atoms fitted to its values
    there, which it goes over to within some points of them; in a periodic sample the density is zero there,
    and the potential as at the nearest of its points.

    Where nothing of it is differentiated, the model keeps the field for scans with other springs, tilts,
    amplitudes and heights.

    Args:
        sample: atoms and grids.
        model: A, B, tip, dispersion.
        scan: window and heights.
        probe: atomic number of the probe.
        origin: of the render frame in that of the graph, Å.
        aside: of the free probe from its pixel, Å.
        images: positions of the atoms with their periodic images in the graph's frame, those of the first
            atom of all cells first: cell by cell, Å.

    Shapes:
        origin ``[3]``, aside ``[2]``, images ``[M, 3]``.

    Raises:
        InputError: for a window too large, and a periodic sample whose grid ends below a free probe.
    """
    half = np.array(scan.extent) / 2
    heights = scan.heights(0.0)
    fixed = origin.detach().cpu().numpy()
    low = np.array([*(aside - half), heights[-1]]) + fixed - _MARGIN
    high = np.array([*(aside + half), heights[0]]) + fixed + _MARGIN
    if sample.pbc.any():
        _check_height(sample, high[2] - _MARGIN)

    def compute(low: np.ndarray, high: np.ndarray) -> tuple[Tensor, np.ndarray]:
        return _coefficients(sample, model, probe, low, high, images)

    tensors = (*model.parameters(), sample.turn, sample.shift, images)
    if torch.is_grad_enabled() and any(v.requires_grad for v in tensors):
        coefficients, first = compute(low, high)
    else:
        grids = sample.density, sample.potential
        atoms = sample.z.tobytes(), sample.pbc.tobytes()
        key = (model.d3, probe, *grids, *(g.integral for g in grids), *atoms, *map(_fingerprint, tensors))
        coefficients, first = model.fields.field(key, low, high, compute)
    place = torch.from_numpy(_KNOTS * first) - origin.cpu()
    return EnergyField(coefficients, place, torch.full((3,), _KNOTS, dtype=torch.float64))


def _fingerprint(values: Tensor) -> bytes:
    return values.detach().numpy().tobytes()


def _coefficients(
    sample: Sample, model: FDBM, probe: int, low: np.ndarray, high: np.ndarray, images: Tensor
) -> tuple[Tensor, np.ndarray]:
    """Coefficients of the field from ``low`` to ``high`` [Å], and the index of its first knot."""
    first, start = np.floor(low / _KNOTS).astype(int), np.floor(low / _LATTICE).astype(int) - _EDGE
    counts = np.ceil(high / _KNOTS).astype(int) + 1 - first
    size = np.ceil(high / _LATTICE).astype(int) + 1 + _EDGE - start
    energy = _overlap(sample, model, start, size)
    if model.d3 is not None:
        axes = [torch.from_numpy(_LATTICE * (a + np.arange(n))) for a, n in zip(start, size, strict=True)]
        points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
        lateral = sample.pbc[:, None] * sample.density.cell if sample.pbc.any() else None
        terms = dispersion(sample.z, sample.atoms, probe, model.d3, lateral)
        repeats = len(images) // len(sample.z)
        each = type(terms)(*(np.tile(v, repeats) for v in terms))
        energy = energy + dispersion_energy(points, images, each).reshape(*size)
    matrices = [_knot_matrix(*map(int, v)) for v in zip(size, start, first, counts, strict=True)]
    return _along_axes(matrices, energy), first


def _overlap(sample: Sample, model: FDBM, start: np.ndarray, size: np.ndarray) -> Tensor:
    """Pauli and electrostatic energy at ``size`` points of the lattice from index ``start`` on."""
    tip = _tip(model.tip)
    shape = [next_fast_len(int(n), real=True) for n in size + tip.shape - 1]
    if np.prod(shape, dtype=float) > _MAX_POINTS:
        raise InputError(
            f"scan: expected at most {_MAX_POINTS} points of {_LATTICE} Å around the window, got "
            f"{' x '.join(map(str, shape))}; scan a smaller window"
        )
    eye = torch.eye(3, dtype=torch.float64)
    place = sample.to_grids(torch.from_numpy(_LATTICE * (start + tip.first)), _LATTICE * eye)
    a, b = model.parameters()
    spectrum = torch.fft.rfftn(_density_power(sample, b, *place, shape))
    spectrum = a * spectrum * _tip_spectrum(tip.shared(_power(tip.density, b)), shape)
    volts = torch.fft.rfftn(_volts(sample, *place, shape))
    spectrum = spectrum + volts * _tip_spectrum(tip.shared(tip.charge), shape)
    found = torch.fft.irfftn(spectrum, s=shape) * _LATTICE**3
    # The probe of the first wanted point sits -first points into the box, where the tip's first point begins.
    return found[: size[0], : size[1], : size[2]]


class _Tip(NamedTuple):
    """Densities of a tip on a grid along the axes, and the weights with which points of the lattice share in
    those of that grid.

    Shapes:
        density and charge ``[nx, ny, nz]`` e/Å³; first ``[3]``, index of the first point of the lattice;
        weights: one matrix an axis, points of the lattice by those of the grid.
    """

    density: Tensor
    charge: Tensor
    first: np.ndarray
    weights: tuple[Tensor, ...]

    @property
    def shape(self) -> np.ndarray:
        """Numbers of points of the lattice."""
        return np.array([len(matrix) for matrix in self.weights])

    def shared(self, values: Tensor) -> Tensor:
        """Values of the grid on the lattice."""
        return _along_axes(self.weights, values)


@lru_cache(maxsize=4)
def _tip(tip: TipDensity) -> _Tip:
    grid, (aside, above) = tip.density, _REACH
    low, high = np.array([-aside, -aside, -aside]), np.array([aside, aside, above])
    steps = grid.steps
    if np.abs(steps - np.diag(np.diag(steps))).max() < _ALONG and (np.diag(steps) > 0).all():
        spacing = np.diag(steps)
        begin = np.maximum(np.ceil((low - grid.origin) / spacing - _ALONG), 0).astype(int)
        size = np.array(grid.values.shape)
        end = np.minimum(np.floor((high - grid.origin) / spacing + _ALONG).astype(int) + 1, size)
        part = tuple(slice(a, b) for a, b in zip(begin, end, strict=True))
        density, charge = (torch.from_numpy(v[part]) for v in (_positive(grid).values, tip.charge.values))
        axes = [grid.origin[i] + spacing[i] * np.arange(begin[i], end[i]) for i in range(3)]
    else:
        corners = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), -1).reshape(-1, 3)
        corners = grid.origin + corners @ grid.cell
        begin = np.floor(np.maximum(corners.min(0), low) / _TIP_STEP).astype(int)
        shape = np.ceil(np.minimum(corners.max(0), high) / _TIP_STEP).astype(int) + 1 - begin
        spacing = np.full(3, _TIP_STEP)
        place = torch.from_numpy(_TIP_STEP * begin), _TIP_STEP * torch.eye(3, dtype=torch.float64)
        density, charge = (
            resample(v, np.zeros(3, bool), *place, shape.tolist()) for v in (_positive(grid), tip.charge)
        )
        axes = [_TIP_STEP * (a + np.arange(n)) for a, n in zip(begin, shape, strict=True)]
    # What was cut, or resampled, of the neutral tip is spread evenly.
    charge = charge - charge.mean()
    first = np.array([np.floor(axis[0] / _LATTICE) for axis in axes]).astype(int) - _TIP_EDGE
    last = np.array([np.ceil(axis[-1] / _LATTICE) for axis in axes]).astype(int) + _TIP_EDGE
    weights = [
        _interpolation(axis, _LATTICE * a, _LATTICE, b + 1 - a).T * (s / _LATTICE)
        for axis, a, b, s in zip(axes, first, last, spacing, strict=True)
    ]
    return _Tip(density, charge, first, tuple(torch.from_numpy(w) for w in weights))


def _tip_spectrum(tip: Tensor, shape: list[int]) -> Tensor:
    """Of a tip whose first point is put at the first of the box: so the correlation is that of the lattice's
    first point there too."""
    return torch.fft.rfftn(tip, s=shape).conj()


def _density_power(sample: Sample, b: Tensor, corner: Tensor, steps: Tensor, shape: list[int]) -> Tensor:
    """The power of the sample's density at the points ``corner + index @ steps``."""
    grid = _positive(sample.density)
    if not sample.pbc.any():
        grid = _decaying(grid)
    begin, size = _covered(grid, sample.pbc, corner, steps, shape)
    values = torch.zeros(shape, dtype=torch.float64)
    if size.all():
        place = corner + torch.from_numpy(begin).double() @ steps
        values[_part(begin, size)] = _power(resample(grid, sample.pbc, place, steps, size.tolist()), b)
    return values


def _decaying(grid: DensityGrid) -> DensityGrid:
    """The grid with points beyond its faces, where the density goes on to decay as it did: free probes may be
    as high as the grid is."""
    logarithm = np.log(np.maximum(grid.values, _TINY))
    odd = np.pad(logarithm, _EDGE, mode="reflect", reflect_type="odd")
    values = np.exp(np.minimum(odd, np.pad(logarithm, _EDGE, mode="edge")))
    return DensityGrid(values, *_widened(grid))


def _widened(grid: ScalarGrid) -> tuple[np.ndarray, np.ndarray]:
    """Origin and cell of ``grid`` with points beyond each of its faces."""
    shape = np.array(grid.values.shape)
    return grid.origin - _EDGE * grid.steps.sum(0), grid.cell * ((shape + 2 * _EDGE) / shape)[:, None]


def _volts(sample: Sample, corner: Tensor, steps: Tensor, shape: list[int]) -> Tensor:
    """The potential at the points ``corner + index @ steps``, beyond its grid, too."""
    grid, pbc = sample.potential, sample.pbc
    if pbc.any():
        return resample(grid, pbc, corner, steps, shape, NearestPoint(grid, pbc))
    # It is smooth far away, and computed at every other point.
    coarse = [-(-n // _STRIDE) + 2 * _TIP_EDGE for n in shape]
    index = _STRIDE * (np.indices(coarse).reshape(3, -1).T - _TIP_EDGE)
    far = Multipoles(grid, sample.atoms).at(corner + torch.from_numpy(index).double() @ steps)
    weights = [
        torch.from_numpy(_interpolation(np.arange(n), -_STRIDE * _TIP_EDGE, _STRIDE, m, _FAR_TERMS))
        for n, m in zip(shape, coarse, strict=True)
    ]
    values = _along_axes(weights, far.reshape(coarse))
    begin, size = _covered(grid, pbc, corner, steps, shape)
    if size.all():
        place = corner + torch.from_numpy(begin).double() @ steps
        near = resample(_continued(grid), pbc, place, steps, size.tolist())
        share, part = _share(grid, place, steps, size), _part(begin, size)
        values = values.clone()
        values[part] = values[part] + share * (near - values[part])
    return values


def _continued(grid: PotentialGrid) -> PotentialGrid:
    """The grid with points beyond its faces, so that the slope goes on there."""
    return PotentialGrid(np.pad(grid.values, _EDGE, mode="reflect", reflect_type="odd"), *_widened(grid))


def _share(grid: PotentialGrid, corner: Tensor, steps: Tensor, size: np.ndarray) -> Tensor:
    """How much of the potential at each point ``corner + index @ steps`` is that of the grid: 0 at its faces
    and beyond, 1 within, smooth in between, so that the potential is as smooth in the pose."""
    inverse = torch.from_numpy(np.linalg.inv(grid.steps))
    offset, matrix = (corner - torch.from_numpy(grid.origin)) @ inverse, steps @ inverse
    counts = [torch.arange(n, dtype=torch.float64) for n in size.tolist()]
    share = torch.ones((), dtype=torch.float64)
    for axis, n in enumerate(grid.values.shape):
        along = [matrix[i, axis] * count for i, count in enumerate(counts)]
        index = offset[axis] + along[0][:, None, None] + along[1][:, None] + along[2]
        t = (torch.minimum(index, n - 1 - index) / _RIM).clamp(0, 1)
        share = share * t * t * (3 - 2 * t)
    return share


def _covered(
    grid: ScalarGrid, pbc: np.ndarray, corner: Tensor, steps: Tensor, shape: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """First index and size of the box of points ``corner + index @ steps`` around a grid."""
    if pbc.any():
        return np.zeros(3, int), np.array(shape)
    ends = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), -1).reshape(-1, 3)
    ends = grid.origin + ends @ grid.cell
    index = (ends - corner.detach().numpy()) @ np.linalg.inv(steps.detach().numpy())
    begin = np.clip(np.floor(index.min(0)).astype(int), 0, shape)
    return begin, np.clip(np.ceil(index.max(0)).astype(int) + 1, 0, shape) - begin


def _part(begin: np.ndarray, size: np.ndarray) -> tuple[slice, ...]:
    return tuple(slice(a, a + n) for a, n in zip(begin.tolist(), size.tolist(), strict=True))


def _positive(density: DensityGrid) -> DensityGrid:
    """No negative values, the rest rescaled to the same sum, and none above the cap."""
    values = density.values.clip(0)
    values *= density.values.sum() / values.sum()
    return DensityGrid(values.clip(max=_CAP), density.origin, density.cell)


def _power(density: Tensor, b: Tensor) -> Tensor:
    """Splines undershoot: no density is below what any power of it can be told from zero."""
    return density.clamp(min=_TINY) ** b


def _along_axes(matrices: Sequence[Tensor], values: Tensor) -> Tensor:
    """One matrix applied along each axis."""
    for matrix in matrices:
        values = torch.tensordot(matrix, values, dims=([1], [0])).movedim(0, 2)
    return values.contiguous()


def _interpolation(points: np.ndarray, start: float, step: float, n: int, terms: int = _TERMS) -> np.ndarray:
    """Values at ``points`` from ``n`` values at a distance ``step`` from ``start`` on, by a spline of degree
    5, ``[len(points), n]``."""
    quintic = correlate1d(np.eye(n), spline_taps(5, terms), axis=0, mode="mirror")
    basis = BSpline.basis_element(np.arange(-3.0, 4.0), extrapolate=False)
    return np.asarray(np.nan_to_num(basis((points[:, None] - start) / step - np.arange(n))) @ quintic)


def _knot_matrix(n: int, start: int, first: int, count: int) -> Tensor:
    """Coefficients at ``count`` knots from index ``first`` on, from ``n`` values along one axis of the
    lattice from index ``start`` on: a spline of degree 5 through the values, its values at the knots and
    around, and a cubic spline through these."""
    taps = spline_taps(3)
    extra = len(taps) // 2
    values = _interpolation(
        _KNOTS * np.arange(first - extra, first + count + extra), _LATTICE * start, _LATTICE, n
    )
    return torch.from_numpy(sum(tap * values[i : i + count] for i, tap in enumerate(taps)))


def _check_height(sample: Sample, top: float) -> None:
    """Whether the grid of a periodic sample reaches the highest free probe."""
    grid = sample.potential
    end = grid.origin[2] + grid.cell[2, 2] + float(sample.shift[2].detach())
    if top > end:
        raise InputError(
            f"scan: expected free probes within the grid of a periodic sample, up to {end:.2f} Å, got the "
            f"first at {top:.2f} Å; scan nearer, or give a grid with more vacuum"
        )
