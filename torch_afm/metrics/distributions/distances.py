"""Distances between the distributions of two sets of values: transport, and histograms."""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np
import torch
from scipy.special import logsumexp
from scipy.stats import wasserstein_distance
from torch import Tensor

from torch_afm.metrics.distributions.registry import distance
from torch_afm.metrics.distributions.samples import ONCE, Sample, cdf_distance, pair
from torch_afm.utils import InputError, check_finite, check_shape

#: Pairs of values whose costs are held at once, at most (3.2 GB).
MAX_PAIRS = 400_000_000


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


@distance("wasserstein", wasserstein_draws)
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


#: Directions projected on.
PROJECTIONS = 50


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


@distance("sliced", sliced_draws, on_line=False, seeded=True)
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


def differentiable_wasserstein(x: Tensor, y: Tensor) -> Tensor:
    r"""Wasserstein distance on a line, :math:`W_1 = \int |F_x(t) - F_y(t)| \,dt`, for losses: exact, with
    exact gradients wherever no two values are equal (there, one of the sub-gradients).

    Args:
        x: values.
        y: values.

    Shapes:
        x ``[*, N]``, y ``[*, M]``, returns ``[*]``.

    Raises:
        InputError: for an empty set, a NaN, or leading dimensions that differ.
    """
    for name, values in (("x", x), ("y", y)):
        if not values.is_floating_point() or values.dim() == 0 or values.shape[-1] == 0:
            raise InputError(
                f"{name}: expected floats of shape [*, N] with N > 0, got {values.dtype} {list(values.shape)}"
            )
        check_finite(name, values)
    if x.shape[:-1] != y.shape[:-1]:
        raise InputError(f"y: expected leading dimensions {list(x.shape[:-1])}, got {list(y.shape[:-1])}")
    mass = torch.cat([torch.full_like(x, 1 / x.shape[-1]), torch.full_like(y, -1 / y.shape[-1])], dim=-1)
    values, order = torch.cat([x, y], dim=-1).sort(dim=-1, stable=True)
    gap = mass.gather(-1, order).cumsum(dim=-1)[..., :-1].abs()
    return (gap * values.diff(dim=-1)).sum(dim=-1)


#: Bins on a line, and along each axis of more dimensions, between the least and the greatest value of both.
BINS, AXIS_BINS = 30, 10
#: Share of the mass spread evenly over all bins, so that empty ones leave the divergence finite.
SPREAD = 1e-3


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


@distance("kl", kl_draws, power=0)
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


_SHORTEST = 1e-4  # GeomLoss counts no distance, also that of a value from itself, shorter than this


def sinkhorn_draws(x: Sample, y: Sample, x_counts: np.ndarray, y_counts: np.ndarray) -> np.ndarray:
    """Of the samples themselves; there is none of weighted structures, hence no interval."""
    return np.append(sinkhorn_divergence(x.values, y.values), np.full(len(x_counts) - 1, np.nan))


# It has a length in it, its blur, chosen for normalized values; in print, it is the exact distance on a line.
@distance("sinkhorn", sinkhorn_draws, default=False, on_line=False, raw=False)
def sinkhorn_divergence(x: np.ndarray, y: np.ndarray, blur: float = 1e-4, scaling: float = 0.5) -> float:
    r"""De-biased entropic transport cost between two samples, with the cost :math:`\|x - y\|` (Feydy et al.,
    AISTATS 2019; J. Feydy, thesis, Paris-Saclay 2020, section 3.3),

    .. math::
        S_\varepsilon = \langle \alpha, f - f_{xx} \rangle + \langle \beta, g - g_{yy} \rangle,

    by symmetrized updates :math:`f \leftarrow \tfrac{1}{2}\left(f - \varepsilon \log \sum_j \beta_j
    e^{(g_j - \|x - y_j\|)/\varepsilon}\right)` and likewise for the others, while :math:`\varepsilon` falls
    from the diameter of the samples to ``blur`` by the factor ``scaling``, one update at each value and one
    without averaging at the end. This is what GeomLoss computes for ``SamplesLoss("sinkhorn", p=1)``.

    With a factor of 1/2 and a blur of 1e-4 (arXiv:2509.02240) **the updates have not converged**: the value
    is well below the Wasserstein distance that it would tend to. It is here to reproduce published numbers;
    to measure a distance, take the exact one.

    Args:
        x: first sample.
        y: second sample.
        blur: last :math:`\varepsilon`, in the unit of the samples.
        scaling: factor between values of :math:`\varepsilon`, inside (0, 1).

    Shapes:
        x ``[N, D]``, y ``[M, D]``.

    Raises:
        InputError: for other shapes, an empty sample, values that are not finite, a blur that is not above 0
            or a factor outside (0, 1).
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    for name, sample in (("x", x), ("y", y)):
        check_shape(name, sample, (None, None if name == "x" else x.shape[-1]))
        check_finite(name, sample)
        if not sample.size:
            raise InputError(f"{name}: expected at least one value, got none")
    if not blur > 0 or not 0 < scaling < 1:
        raise InputError(f"blur, scaling: expected blur > 0 and 0 < scaling < 1, got {blur} and {scaling}")
    both = np.concatenate([x, y])
    diameter = float(np.linalg.norm(np.ptp(both, axis=0)))
    if diameter == 0:
        return 0.0
    steps = np.arange(math.log(diameter), math.log(blur), math.log(scaling))
    schedule = [diameter, *np.exp(steps), blur]

    xy, xx, yy = _distances(x, y), _distances(x, x), _distances(y, y)
    zeros_x, zeros_y = np.zeros(len(x)), np.zeros(len(y))
    f, g = _soft_min(diameter, xy, zeros_y), _soft_min(diameter, xy.T, zeros_x)
    f_xx, g_yy = _soft_min(diameter, xx, zeros_x), _soft_min(diameter, yy, zeros_y)
    for eps in schedule:
        f, g = (f + _soft_min(eps, xy, g)) / 2, (g + _soft_min(eps, xy.T, f)) / 2
        f_xx, g_yy = (f_xx + _soft_min(eps, xx, f_xx)) / 2, (g_yy + _soft_min(eps, yy, g_yy)) / 2
    f, g = _soft_min(blur, xy, g), _soft_min(blur, xy.T, f)
    f_xx, g_yy = _soft_min(blur, xx, f_xx), _soft_min(blur, yy, g_yy)
    return float((f - f_xx).mean() + (g - g_yy).mean())


def _distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(np.linalg.norm(x[:, None] - y[None], axis=-1), _SHORTEST)


def _soft_min(eps: float, cost: np.ndarray, potential: np.ndarray) -> np.ndarray:
    """Smooth minimum over columns of ``cost - potential``, columns of equal weight."""
    return -eps * (logsumexp((potential - cost) / eps, axis=1) - math.log(cost.shape[1]))
