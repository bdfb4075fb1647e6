r"""Wasserstein distance, exact in any dimension."""

from __future__ import annotations

from types import ModuleType

import numpy as np
from scipy.stats import wasserstein_distance

from torch_afm.metrics.distributions.line import cdf_distance
from torch_afm.metrics.distributions.samples import Sample, pair
from torch_afm.utils import InputError

#: Pairs of values whose costs are held at once, at most (3.2 GB).
MAX_PAIRS = 400_000_000


def wasserstein(x: np.ndarray, y: np.ndarray) -> float:
    r"""Wasserstein distance :math:`\inf_\pi E_{(x, y) \sim \pi} \|x - y\|` over the joint distributions
    :math:`\pi` with marginals :math:`x` and :math:`y` (order 1, Euclidean cost), exact: by SciPy on a line,
    by the network simplex of POT (Flamary et al., J. Mach. Learn. Res. 22, 78 (2021)) in more dimensions.

    Args:
        x: values.
        y: values.

    Shapes:
        both ``[N]`` or ``[N, D]``, with any ``N``.

    Raises:
        InputError: for an empty set, a NaN, different dimensions; in more than one dimension, for too many
            pairs (:data:`MAX_PAIRS`), or where POT is not installed.
    """
    samples = pair(x, y)
    if samples[0].dimension == 1:
        return float(wasserstein_distance(samples[0].values[:, 0], samples[1].values[:, 0]))
    return transport(*samples)[0]


def wasserstein_draws(x: Sample, y: Sample, x_counts: np.ndarray, y_counts: np.ndarray) -> np.ndarray:
    r"""Wasserstein distance for each draw of structures, ``[B, S]`` and ``[B, T]`` counts of them, ``[B]``.

    Exact on a line. In more dimensions to first order in the weights: the transport is solved once, and its
    potentials, :math:`W = \sum_i a_i f_i + \sum_j b_j g_j`, keep their values as the weights :math:`a, b`
    change (del Barrio, Loubes, Ann. Probab. 47, 926 (2019)). They stay feasible, so this never exceeds the
    exact distance of a draw, and it equals that of all structures drawn once. Where it falls below 0, which
    no distance does, it is 0.
    """
    if x.dimension == 1:
        return cdf_distance(x, y, x_counts, y_counts, power=1)
    _, f, g = transport(x, y)
    sums = [np.bincount(s.structure, weights=h, minlength=s.n_structures) for s, h in ((x, f), (y, g))]
    return np.maximum(x.masses(x_counts) @ sums[0] + y.masses(y_counts) @ sums[1], 0.0)


def transport(x: Sample, y: Sample) -> tuple[float, np.ndarray, np.ndarray]:
    """Exact distance of two samples, each value of equal mass, and the potentials ``[N]`` and ``[M]`` that
    attain it.

    Raises:
        InputError: for more than :data:`MAX_PAIRS` pairs, or where POT is not installed.
    """
    ot = import_pot()
    if len(x) * len(y) > MAX_PAIRS:
        raise InputError(
            f"x, y: expected at most {MAX_PAIRS:,} pairs for an exact transport, got {len(x):,} x {len(y):,} "
            "values; take fewer (max_values)"
        )
    masses = [np.full(len(s), 1 / len(s)) for s in (x, y)]
    cost = ot.dist(x.values, y.values, metric="euclidean")
    _, log = ot.emd(*masses, cost, numItermax=2**31 - 1, log=True)
    if log["warning"] is not None:
        raise RuntimeError(f"POT found no optimal transport: {log['warning']}")
    return float(log["cost"]), log["u"], log["v"]


def import_pot() -> ModuleType:
    """POT, or :class:`InputError` naming the extra that brings it."""
    try:
        import ot  # not at the top: an optional dependency
    except ImportError:
        raise InputError("POT: expected it to be installed; pip install 'torch_afm[eval]'") from None
    return ot
