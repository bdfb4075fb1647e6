r"""Sliced Wasserstein distance."""

from __future__ import annotations

import numpy as np

from torch_afm.metrics.distributions.line import cdf_distance
from torch_afm.metrics.distributions.samples import ONCE, Sample, pair
from torch_afm.utils import InputError

#: Directions projected on.
PROJECTIONS = 50


def sliced_wasserstein(x: np.ndarray, y: np.ndarray, projections: int = PROJECTIONS, seed: int = 0) -> float:
    r"""Mean Wasserstein distance (:math:`p = 1`) of the projections on random directions :math:`\theta`
    (Bonneel et al., J. Math. Imaging Vis. 51, 22 (2015)):

    .. math:: \frac{1}{L} \sum_{l=1}^{L} W_1(\theta_l^\top x,\ \theta_l^\top y).

    Never above :func:`wasserstein`; equal to it on a line.

    Args:
        x: values.
        y: values.
        projections: :math:`L`.
        seed: of the directions.

    Shapes:
        both ``[N]`` or ``[N, D]``, with any ``N``.

    Raises:
        InputError: for an empty set, a NaN, different dimensions, or less than one projection.
    """
    if projections < 1:
        raise InputError(f"projections: expected 1 or more, got {projections}")
    return float(sliced_draws(*pair(x, y), ONCE, ONCE, projections, seed)[0])


def sliced_draws(
    x: Sample,
    y: Sample,
    x_counts: np.ndarray,
    y_counts: np.ndarray,
    projections: int = PROJECTIONS,
    seed: int = 0,
) -> np.ndarray:
    """Sliced Wasserstein distance for each draw of structures, ``[B, S]`` and ``[B, T]`` counts of them,
    ``[B]``, in the same directions."""
    found = np.zeros(len(x_counts))
    theta = directions(x.dimension, projections, seed)
    for t in theta:
        on = x.replace(x.values @ t[:, None]), y.replace(y.values @ t[:, None])
        found += cdf_distance(*on, x_counts, y_counts, power=1)
    return found / len(theta)


def directions(dimension: int, n: int, seed: int) -> np.ndarray:
    """Unit vectors, evenly distributed, ``[n, D]``."""
    drawn = np.random.default_rng(seed).normal(size=(n, dimension))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
