"""Distances by sums over all pairs of values: energy distance and maximum mean discrepancy."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.spatial.distance import cdist

from torch_afm.metrics.distributions.registry import distance
from torch_afm.metrics.distributions.samples import ONCE, Sample, cdf_distance, pair
from torch_afm.utils import InputError

#: Pairs held at once: few enough for the cache.
_CHUNK = 200_000
_BINS = 1 << 16


def block_sums(x: Sample, y: Sample, kernel: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Sums of ``kernel(distance)`` over all pairs of values of two structures, for every two structures of
    ``x`` and ``y`` together. Whatever weights the structures get later, sums
    over weighted values follow from these.

    Args:
        x: values.
        y: values.
        kernel: turns distances into what is summed; may work in place.

    Shapes:
        returns ``[S + T, S + T]``, symmetric, those of ``x`` first.
    """
    values = np.concatenate([x.values, y.values])
    owner = np.concatenate([x.structure, y.structure + x.n_structures])
    order = np.argsort(owner, kind="stable")
    values, owner = values[order], owner[order]
    size = x.n_structures + y.n_structures
    present, first = np.unique(owner, return_index=True)
    sums = np.zeros((size, size))
    for start, distances in _upper(values):
        inside = distances.shape[0]
        weighed = kernel(distances)
        # The square on the diagonal has each pair twice, the rest has it once: halve, add the mirror.
        weighed[:, :inside] *= 0.5
        edges = np.maximum(first - start, 0)
        kept = np.flatnonzero(np.append(edges[1:], weighed.shape[1]) > edges)
        columns = np.add.reduceat(weighed, edges[kept], axis=1)
        rows, row_first = np.unique(owner[start : start + inside], return_index=True)
        sums[np.ix_(rows, present[kept])] += np.add.reduceat(columns, row_first, axis=0)
    return sums + sums.T


def quadratic(
    sums: np.ndarray, x: Sample, y: Sample, x_counts: np.ndarray, y_counts: np.ndarray
) -> np.ndarray:
    r""":math:`u^\top K u` with the masses :math:`u` of the values, positive for ``x`` and negative for ``y``:
    mean over pairs in ``x``, plus that in ``y``, minus twice that between, for each draw of structures.

    Shapes:
        sums ``[S + T, S + T]`` of :func:`block_sums`, x_counts ``[B, S]``, y_counts ``[B, T]``, returns
        ``[B]``.
    """
    masses = np.concatenate([x.masses(x_counts), -y.masses(y_counts)], axis=1)
    return np.einsum("bi,bi->b", masses @ sums, masses)


def median_distance(values: np.ndarray) -> float:
    """Median of the full matrix of distances between ``N`` values: every pair twice, and the zeros of the
    diagonal. Exact to rounding, without holding the matrix.

    Shapes:
        values ``[N, D]``.
    """
    n = len(values)
    # Ranks among the pairs that come after the diagonal's zeros, the first of all.
    ranks = [(middle - n) // 2 for middle in ((n * n - 1) // 2, n * n // 2) if middle >= n]
    if not ranks or not np.ptp(values, axis=0).any():
        return 0.0
    found = _ranked_on_a_line(values[:, 0], ranks) if values.shape[1] == 1 else _ranked(values, ranks)
    return sum(found) / 2  # one of two middles may be a zero of the diagonal


def _ranked_on_a_line(values: np.ndarray, ranks: list[int]) -> list[float]:
    """Distances of given ranks between values on a line, by bisection over how many are no longer."""
    values = np.sort(values)
    below = np.arange(1, len(values) + 1).sum()
    found = []
    for rank in ranks:
        low, high = 0.0, float(values[-1] - values[0])
        while low < (middle := (low + high) / 2) < high:
            if np.searchsorted(values, values + middle, side="right").sum() - below > rank:
                high = middle
            else:
                low = middle
        found.append(high if high > np.spacing(np.abs(values).max()) else 0.0)
    return found


def _ranked(values: np.ndarray, ranks: list[int]) -> list[float]:
    """Distances of given ranks, by counting in bins first and sorting the bins of these ranks alone."""
    scale = _BINS / (np.linalg.norm(np.ptp(values, axis=0)) * (1 + 1e-9))
    counts = np.zeros(_BINS, dtype=np.int64)
    for distances in _off_diagonal(values):
        counts += np.bincount((distances * scale).astype(np.int64), minlength=_BINS)
    ends = counts.cumsum()
    bins = np.searchsorted(ends, ranks, side="right").tolist()
    kept: dict[int, list[np.ndarray]] = {b: [] for b in bins}
    for distances in _off_diagonal(values):
        places = (distances * scale).astype(np.int64)
        for b, parts in kept.items():
            parts.append(distances[places == b])
    inside = {b: np.sort(np.concatenate(parts)) for b, parts in kept.items()}
    return [float(inside[b][rank - (ends[b] - counts[b])]) for b, rank in zip(bins, ranks, strict=True)]


def _upper(values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Rows ``start`` on of the matrix of distances, from column ``start`` on, so that each pair comes once
    but for those inside the square on the diagonal."""
    start = 0
    while start < len(values):
        rows = max(1, _CHUNK // (len(values) - start))
        yield start, cdist(values[start : start + rows], values[start:])
        start += rows


def _off_diagonal(values: np.ndarray) -> Iterator[np.ndarray]:
    """Distances of all pairs of different values, each once."""
    for _, distances in _upper(values):
        rows, columns = map(np.arange, distances.shape)
        yield distances[columns > rows[:, None]]


def energy_draws(x: Sample, y: Sample, x_counts: np.ndarray, y_counts: np.ndarray) -> np.ndarray:
    """Energy distance for each draw of structures, ``[B, S]`` and ``[B, T]`` counts of them, ``[B]``."""
    if x.dimension == 1:
        return 2 * cdf_distance(x, y, x_counts, y_counts, power=2)
    sums = block_sums(x, y, lambda distances: distances)
    return np.maximum(-quadratic(sums, x, y, x_counts, y_counts), 0.0)  # rounding may fall below 0


@distance("energy", energy_draws)
def energy_distance(x: np.ndarray, y: np.ndarray) -> float:
    r"""Energy distance :math:`2\,E\|x - y\| - E\|x - x'\| - E\|y - y'\|` (Székely, Rizzo, J. Stat. Plan.
    Inference 143, 1249 (2013)) as a V-statistic: means over all pairs, those of a value with itself included.
    No root is taken, so SciPy's ``energy_distance`` is its square root.

    Args:
        x: values.
        y: values.

    Shapes:
        both ``[N]`` or ``[N, D]``, with any ``N``.

    Raises:
        InputError: for an empty set, a NaN, or different dimensions.
    """
    return float(energy_draws(*pair(x, y), ONCE, ONCE)[0])


def mmd_draws(
    x: Sample, y: Sample, x_counts: np.ndarray, y_counts: np.ndarray, sigma: float | None = None
) -> np.ndarray:
    """MMD for each draw of structures, ``[B, S]`` and ``[B, T]`` counts of them, ``[B]``. The bandwidth is
    that of the samples themselves, whatever is drawn."""
    sigma = _bandwidth(x, y) if sigma is None else sigma
    if sigma == 0:  # all values of both are one
        return np.where(np.isnan(x.masses(x_counts)[:, 0] + y.masses(y_counts)[:, 0]), np.nan, 0.0)

    def kernel(distances: np.ndarray) -> np.ndarray:
        np.square(distances, out=distances)
        distances *= -0.5 / sigma**2
        return np.exp(distances, out=distances)

    sums = block_sums(x, y, kernel)
    return np.sqrt(np.maximum(quadratic(sums, x, y, x_counts, y_counts), 0.0))


def _bandwidth(x: Sample, y: Sample) -> float:
    values = np.concatenate([x.values, y.values])
    median = median_distance(values)
    if median > 0:
        return median
    sums = block_sums(x, y, lambda distances: distances)
    return float(sums.sum()) / len(values) ** 2


@distance("mmd", mmd_draws, power=0)
def mmd(x: np.ndarray, y: np.ndarray, sigma: float | None = None) -> float:
    r"""Maximum mean discrepancy (Gretton et al., J. Mach. Learn. Res. 13, 723 (2012), eq. 5): the root of the
    biased V-statistic

    .. math:: \mathrm{MMD}^2 = \overline{k(x, x')} + \overline{k(y, y')} - 2\,\overline{k(x, y)},
        \qquad k(x, y) = e^{-\|x - y\|^2 / (2 \sigma^2)}.

    Args:
        x: values.
        y: values.
        sigma: bandwidth, in the unit of the values. Default: median of the full matrix of distances between
            all values of both sets, its diagonal of zeros included; where that is 0, the mean.

    Shapes:
        both ``[N]`` or ``[N, D]``, with any ``N``.

    Raises:
        InputError: for an empty set, a NaN, different dimensions, or a bandwidth that is not positive.
    """
    if sigma is not None and not 0 < sigma < np.inf:
        raise InputError(f"sigma: expected a positive number, got {sigma}")
    return float(mmd_draws(*pair(x, y), ONCE, ONCE, sigma)[0])
