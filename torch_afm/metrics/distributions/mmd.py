r"""Maximum mean discrepancy."""

from __future__ import annotations

import numpy as np

from torch_afm.metrics.distributions.pairs import block_sums, median_distance, quadratic
from torch_afm.metrics.distributions.samples import ONCE, Sample, pair
from torch_afm.utils import InputError


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
