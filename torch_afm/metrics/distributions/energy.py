r"""Energy distance."""

from __future__ import annotations

import numpy as np

from torch_afm.metrics.distributions.line import cdf_distance
from torch_afm.metrics.distributions.pairs import block_sums, quadratic
from torch_afm.metrics.distributions.samples import ONCE, Sample, pair


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


def energy_draws(x: Sample, y: Sample, x_counts: np.ndarray, y_counts: np.ndarray) -> np.ndarray:
    """Energy distance for each draw of structures, ``[B, S]`` and ``[B, T]`` counts of them, ``[B]``."""
    if x.dimension == 1:
        return 2 * cdf_distance(x, y, x_counts, y_counts, power=2)
    sums = block_sums(x, y, lambda distances: distances)
    return np.maximum(-quadratic(sums, x, y, x_counts, y_counts), 0.0)  # rounding may fall below 0
