"""Energy of a probe in the full-density-based model, as a field that the renderers feel."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.interpolate import BSpline
from scipy.ndimage import correlate1d
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.data import DensityGrid, PotentialGrid
from torch_afm.ppm.d3 import dispersion, dispersion_energy
from torch_afm.ppm.fdbm import FDBM, Sample
from torch_afm.ppm.potential import EnergyField, spline, spline_taps
from torch_afm.ppm.resample import resample, sample_spline
from torch_afm.ppm.tip_density import TipDensity
from torch_afm.utils import InputError

#: Å around the free probes that the field covers, for the probe bends.
_MARGIN = 1.0
#: Å between the points of the overlap, of the dispersion, and between the knots of the field.
_OVERLAP, _DISPERSION, _KNOTS = 0.1, 0.2, 0.06
#: Points around those wanted that splines of degree 5 and 3 need.
_EDGE = 9
#: Å from the probe that densities of a tip reach: aside and down, and up.
_REACH = 4.0, 5.5
#: e/Å³: densities are cut here before the power, for the cores of heavy nuclei alias.
_CAP = 100.0
#: Points that an overlap may have.
_MAX_POINTS = 1 << 26
#: Points at the faces of a grid that a potential is continued from.
_FACE_POINTS = 6000
#: Smallest singular value, relative to the largest, that such a fit keeps.
_RANK = 1e-6
#: Of its points beyond the grid every how many are computed, pairs of point and atom at once, and Å² from an
#: atom within which nothing of it is used.
_STRIDE, _PAIRS, _MIN_R2 = 3, 1 << 20, 2.0


def energy_field(
    sample: Sample, model: FDBM, scan: Scan, probe: int, origin: Tensor, aside: np.ndarray, images: Tensor
) -> EnergyField:
    r"""Energy of the probe where it may come to, differentiable in A, B and the pose.

    Overlaps are cross-correlations by FFT on a lattice of 0.1 Å wide enough that none wraps around,

    .. math::
        E(R) = h^3 \mathrm{FFT}^{-1}\left[A\, \hat{ρ_s^B}\, \overline{\hat{ρ_t^B}}
            + \hat V_s\, \overline{\hat q_t}\right] ,

    brought to the knots of the field (0.06 Å) by a spline of degree 5. Beyond the faces of its grid the
    density of the sample is zero, and its potential that of multipoles of the atoms fitted to its
    values there; in a periodic sample it goes on as at the nearest of its points.

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
    counts = np.ceil((high - low) / _KNOTS).astype(int) + 1
    spacing = (high - low) / (counts - 1)
    energy, start = _overlap(sample, model, low, high)
    coefficients = _to_knots(energy, start, _OVERLAP, low, spacing, counts)
    if model.d3 is not None:
        start, size = _lattice(low, high, _DISPERSION)
        axes = [torch.from_numpy(a + _DISPERSION * np.arange(n)) for a, n in zip(start, size, strict=True)]
        points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
        lateral = sample.pbc[:, None] * sample.density.cell if sample.pbc.any() else None
        terms = dispersion(sample.z, sample.atoms, probe, model.d3, lateral)
        repeats = len(images) // len(sample.z)
        each = type(terms)(*(np.tile(v, repeats) for v in terms))
        found = dispersion_energy(points, images, each).reshape(*size)
        coefficients = coefficients + _to_knots(found, start, _DISPERSION, low, spacing, counts)
    place = torch.from_numpy(low) - origin.cpu()
    return EnergyField(coefficients, place, torch.from_numpy(spacing))


def _overlap(sample: Sample, model: FDBM, low: np.ndarray, high: np.ndarray) -> tuple[Tensor, np.ndarray]:
    """Pauli and electrostatic energy on a lattice around the box, and its first point in the graph's
    frame."""
    start, size = _lattice(low, high, _OVERLAP)
    first, last = _tip_reach(model.tip)
    shape = [next_fast_len(int(n), real=True) for n in size + last - first]
    if np.prod(shape, dtype=float) > _MAX_POINTS:
        raise InputError(
            f"scan: expected at most {_MAX_POINTS} points of {_OVERLAP} Å around the window, got "
            f"{' x '.join(map(str, shape))}; scan a smaller window"
        )
    corner = torch.from_numpy(start + first * _OVERLAP)
    lattice = _OVERLAP * torch.eye(3, dtype=torch.float64)
    at = sample.to_grids(corner, lattice)
    a, b = model.parameters()
    rho = resample(_positive(sample.density), sample.pbc, *at, shape)
    grid, pbc = sample.potential, sample.pbc
    beyond = _Edge(grid, pbc) if pbc.any() else _Multipoles(grid, sample.atoms)
    volts = resample(grid, pbc, *at, shape, beyond)
    tip, charge = _tip(model.tip)
    spectrum = a * torch.fft.rfftn(_power(rho, b)) * _tip_spectrum(_power(tip, b), shape)
    spectrum = spectrum + torch.fft.rfftn(volts) * _tip_spectrum(charge, shape)
    found = torch.fft.irfftn(spectrum, s=shape) * _OVERLAP**3
    # The probe of the first wanted point sits -first points into the box, where the tip's first point begins.
    return found[: size[0], : size[1], : size[2]], start


@lru_cache(maxsize=4)
def _tip(tip: TipDensity) -> tuple[Tensor, Tensor]:
    """Density and charge on the lattice, from the first to the last point that the tip reaches."""
    first, last = _tip_reach(tip)
    lattice = _OVERLAP * torch.eye(3, dtype=torch.float64)
    around = np.zeros(3, bool), torch.from_numpy(first * _OVERLAP), lattice, list(last - first + 1)
    density, charge = resample(_positive(tip.density), *around), resample(tip.charge, *around)
    # What the lattice makes of the neutral tip is spread evenly.
    return density, charge - charge.mean()


def _tip_spectrum(tip: Tensor, shape: list[int]) -> Tensor:
    """Of a tip whose first point is put at the first of the box: so the correlation is that of the lattice's
    first point there too."""
    return torch.fft.rfftn(tip, s=shape).conj()


def _lattice(low: np.ndarray, high: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """First point and numbers of points of a lattice around a box, with what splines need beyond it."""
    size = np.ceil((high - low) / spacing).astype(int) + 1 + 2 * _EDGE
    return low - _EDGE * spacing, size


def _tip_reach(tip: TipDensity) -> tuple[np.ndarray, np.ndarray]:
    """First and last point around the probe that the tip's densities reach, in spacings of the overlap."""
    corners = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), -1).reshape(-1, 3)
    corners = tip.density.origin + corners @ tip.density.cell
    aside, above = _REACH
    first = np.maximum(corners.min(0), -aside) / _OVERLAP
    last = np.minimum(corners.max(0), [aside, aside, above]) / _OVERLAP
    return np.floor(first).astype(int), np.ceil(last).astype(int)


def _positive(density: DensityGrid) -> DensityGrid:
    """No negative values, the rest rescaled to the same sum, and none above the cap."""
    values = density.values.clip(0)
    values *= density.values.sum() / values.sum()
    return DensityGrid(values.clip(max=_CAP), density.origin, density.cell)


def _power(density: Tensor, b: Tensor) -> Tensor:
    """Splines undershoot: no density is below what any power of it can be told from zero."""
    return density.clamp(min=1e-12) ** b


def _to_knots(
    values: Tensor, start: np.ndarray, step: float, low: np.ndarray, spacing: np.ndarray, counts: np.ndarray
) -> Tensor:
    """Coefficients of the cubic spline with ``counts`` knots from ``low`` on through values on a lattice."""
    for axis in range(3):
        matrix = _knot_matrix(values.shape[0], start[axis], step, low[axis], spacing[axis], counts[axis])
        values = torch.tensordot(matrix, values, dims=([1], [0])).movedim(0, 2)
    return values.contiguous()


def _knot_matrix(n: int, start: float, step: float, low: float, spacing: float, count: int) -> Tensor:
    """Coefficients at the knots from ``n`` values along one axis, ``[count, n]``: a spline of degree 5
    through the values, its values at the knots and around, and a cubic spline through these."""
    quintic = correlate1d(np.eye(n), spline_taps(5), axis=0, mode="mirror")
    taps = spline_taps(3)
    extra = len(taps) // 2
    knots = low + spacing * np.arange(-extra, count + extra)
    basis = BSpline.basis_element(np.arange(-3.0, 4.0), extrapolate=False)
    t = (knots[:, None] - (start + step * np.arange(n))) / step
    values = np.nan_to_num(basis(t)) @ quintic
    cubic = sum(tap * values[i : i + count] for i, tap in enumerate(taps))
    return torch.from_numpy(cubic)


class _Multipoles:
    """The potential of charges, dipoles and quadrupoles of atoms, and a constant, fitted to the faces of a
    grid; called for its values there from a first to a last index. It is smooth where it counts, away from
    atoms, so every third point is enough for a spline."""

    def __init__(self, grid: PotentialGrid, pos: np.ndarray) -> None:
        self.grid, self.pos = grid, pos
        faces = np.zeros(grid.values.shape, bool)
        for axis in range(3):
            for end in (0, -1):
                faces[(*[slice(None)] * axis, end)] = True
        index = np.random.default_rng(0).permutation(np.argwhere(faces))[:_FACE_POINTS]
        design, values = self._design(grid.origin + index @ grid.steps), grid.values[tuple(index.T)]
        self.weights = np.linalg.lstsq(design, values, rcond=_RANK)[0]

    def __call__(self, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        shape = last - first + 1
        coarse = np.indices(-(-shape // _STRIDE) + 2 * _EDGE).reshape(3, -1).T - _EDGE
        points = self.grid.origin + (first + _STRIDE * coarse) @ self.grid.steps
        parts = np.array_split(points, 1 + len(points) * len(self.pos) // _PAIRS)
        values = np.concatenate([self._design(p) @ self.weights for p in parts])
        values = values.reshape(-(-shape // _STRIDE) + 2 * _EDGE)
        return sample_spline(spline(values, 3), np.full(3, float(_EDGE)), np.eye(3) / _STRIDE, tuple(shape))

    def _design(self, points: np.ndarray) -> np.ndarray:
        d = points[:, None] - self.pos
        inverse = 1 / np.sqrt(np.square(d).sum(2).clip(_MIN_R2))[..., None]
        x, y, z = (d * inverse).transpose(2, 0, 1)
        # Normalized alike, so that the fit does not depend on how the sample is turned.
        second = np.stack([x * y, x * z, y * z, (x * x - y * y) / 2, (3 * z * z - 1) / 12**0.5], 2)
        terms = [inverse, d * inverse**3, second * inverse**3]
        columns = [t.reshape(len(points), -1) for t in terms]
        return np.concatenate([np.ones((len(points), 1)), *columns], 1)


class _Edge:
    """A potential that goes on as at the nearest point of its grid, along the edges of it that do not
    repeat."""

    def __init__(self, grid: PotentialGrid, pbc: np.ndarray) -> None:
        self.grid, self.pbc = grid, pbc

    def __call__(self, first: np.ndarray, last: np.ndarray) -> np.ndarray:
        values = self.grid.values
        for axis, (a, b) in enumerate(zip(first, last, strict=True)):
            along, size = np.arange(a, b + 1), values.shape[axis]
            values = values.take(along % size if self.pbc[axis] else along.clip(0, size - 1), axis)
        return values


def _check_height(sample: Sample, top: float) -> None:
    """Whether the grid of a periodic sample reaches the highest free probe."""
    grid = sample.potential
    end = grid.origin[2] + grid.cell[2, 2] + float(sample.shift[2].detach())
    if top > end:
        raise InputError(
            f"scan: expected free probes within the grid of a periodic sample, up to {end:.2f} Å, got the "
            f"first at {top:.2f} Å; scan nearer, or give a grid with more vacuum"
        )
