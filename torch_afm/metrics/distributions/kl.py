r"""Kullback-Leibler divergence of histograms."""

from __future__ import annotations

import numpy as np

from torch_afm.metrics.distributions.samples import ONCE, Sample, pair
from torch_afm.utils import InputError

#: Bins on a line, and along each axis of more dimensions, between the least and the greatest value of both.
BINS, AXIS_BINS = 30, 10
#: Share of the mass spread evenly over all bins, so that empty ones leave the divergence finite.
SPREAD = 1e-3


def kl_divergence(x: np.ndarray, y: np.ndarray, bins: int | None = None) -> float:
    r"""Kullback-Leibler divergence :math:`\sum_i p_i \ln(p_i / q_i)` in nats of the histograms :math:`p` of
    ``x`` and :math:`q` of ``y`` (Kullback, Leibler, Ann. Math. Stat. 22, 79 (1951)), on equal bins between
    the least and the greatest value of both along each axis. A thousandth of each histogram's mass is spread
    evenly over all bins (:data:`SPREAD`), which bounds the divergence at :math:`\ln(1000\, n_\mathrm{bins})`
    about. Not symmetric, and no metric.

    Args:
        x: values.
        y: values.
        bins: bins along each axis. Default: 30 on a line, 10 in more dimensions.

    Shapes:
        both ``[N]`` or ``[N, D]``, with any ``N``.

    Raises:
        InputError: for an empty set, a NaN, different dimensions, less than one bin, or over 10 million.
    """
    samples = pair(x, y)
    axes = samples[0].dimension
    bins = _bins(axes) if bins is None else bins
    if bins < 1 or bins**axes > 10_000_000:
        raise InputError(f"bins: expected 1 to 10 million in all, got {bins} along {axes} axes")
    return float(kl_draws(*samples, ONCE, ONCE, bins)[0])


def kl_draws(
    x: Sample, y: Sample, x_counts: np.ndarray, y_counts: np.ndarray, bins: int | None = None
) -> np.ndarray:
    """Divergence of ``x`` from ``y`` for each draw of structures, ``[B, S]`` and ``[B, T]`` counts of them,
    ``[B]``. The bins are those of the samples themselves, whatever is drawn."""
    bins = _bins(x.dimension) if bins is None else bins
    values = np.concatenate([x.values, y.values])
    low = values.min(axis=0)
    span = np.ptp(values, axis=0)
    total = bins**x.dimension

    def histograms(sample: Sample, counts: np.ndarray) -> np.ndarray:
        share = (sample.values - low) / np.where(span > 0, span, 1.0)
        places = np.minimum((share * bins).astype(np.int64), bins - 1)
        flat = np.ravel_multi_index(tuple(places.T), (bins,) * x.dimension)
        here = np.bincount(sample.structure * total + flat, minlength=sample.n_structures * total)
        mass = sample.masses(counts) @ here.reshape(sample.n_structures, total)
        return (1 - SPREAD) * mass + SPREAD / total

    p, q = histograms(x, x_counts), histograms(y, y_counts)
    return np.maximum((p * np.log(p / q)).sum(axis=1), 0.0)  # rounding may fall below 0


def _bins(dimension: int) -> int:
    return BINS if dimension == 1 else AXIS_BINS
