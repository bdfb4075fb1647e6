"""Distances by transport and by histograms, against POT, scipy and closed forms."""

import sys

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import entropy, norm, wasserstein_distance

from torch_afm.metrics.distributions import (
    differentiable_wasserstein,
    kl_divergence,
    sliced_wasserstein,
    wasserstein,
)
from torch_afm.metrics.distributions.distances import (
    MAX_PAIRS,
    SPREAD,
    directions,
    kl_draws,
    sinkhorn_divergence,
    transport,
    wasserstein_draws,
)
from torch_afm.metrics.distributions.samples import Sample
from torch_afm.utils import InputError


def test_two_gaussians_on_a_line():
    """Their distance is the mean of |difference of quantiles|: for a shift and one spread, the shift."""
    quantiles = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    assert wasserstein(quantiles, quantiles + 0.7) == pytest.approx(0.7, rel=1e-12)
    # N(0, 1) and N(0, 3²): E|2 z| = 2 sqrt(2 / pi)
    assert wasserstein(quantiles, 3 * quantiles) == pytest.approx(2 * np.sqrt(2 / np.pi), rel=1e-4)


@pytest.mark.parametrize("d", [2, 3])
def test_as_many_values_on_both_sides_are_an_assignment(draw, d):
    x, y = draw(40, d), draw(40, d, 0.5, seed=1)
    cost = cdist(x, y)
    assert wasserstein(x, y) == pytest.approx(cost[linear_sum_assignment(cost)].mean(), rel=1e-10)


def test_a_shift_in_the_plane_costs_its_length(draw):
    x = draw(200, 2)
    assert wasserstein(x, x + np.array([3.0, 4.0])) == pytest.approx(5.0, rel=1e-9)


def test_different_numbers_are_pots(draw):
    x, y = draw(30, 2), draw(50, 2, 1.0)
    assert wasserstein(x, y) == pytest.approx(ot.emd2([], [], ot.dist(x, y, "euclidean")), rel=1e-9)


_SETS = arrays(float, st.tuples(st.integers(1, 6), st.just(2)), elements=st.integers(-5, 5).map(float))


@settings(max_examples=20, deadline=None)
@given(_SETS, _SETS, _SETS)
def test_it_is_a_metric_even_of_single_and_equal_values(x, y, z):
    for a, b, c in ((x, y, z), (x[:, :1], y[:, :1], z[:, :1])):
        assert wasserstein(a, np.concatenate([a, a])) == pytest.approx(0, abs=1e-12)
        assert wasserstein(a, b) == pytest.approx(wasserstein(b, a), abs=1e-9)
        assert wasserstein(a, c) <= wasserstein(a, b) + wasserstein(b, c) + 1e-9


def test_draws_in_the_plane_are_exact_to_first_order(draw):
    x = Sample.from_parts("x", [draw(n, 2) for n in (8, 9, 10, 11)])
    y = Sample.from_parts("y", [draw(n, 2, 1.0, seed=3) for n in (12, 13, 14)])

    def exact(counts, y_counts):
        a, b = (s.masses(c[None])[0][s.structure] for s, c in ((x, counts), (y, y_counts)))
        return ot.emd2(a, b, ot.dist(x.values, y.values, "euclidean"))

    ones = np.ones(4), np.ones(3)
    (whole,) = wasserstein_draws(x, y, ones[0][None], ones[1][None])
    assert whole == pytest.approx(transport(x, y)[0], rel=1e-10)
    errors = []
    for step in (0.02, 0.01):
        counts = ones[0] + step * np.array([1, -1, 0.5, 0]), ones[1] + step * np.array([-1, 0, 1])
        (found,) = wasserstein_draws(x, y, counts[0][None], counts[1][None])
        change = exact(*counts) - whole
        errors.append(abs(found - whole - change))
        assert errors[-1] < 0.05 * abs(change)
    drawn = np.random.default_rng(0).multinomial(4, [0.25] * 4, size=20), np.ones((20, 3))
    found = wasserstein_draws(x, y, *drawn)
    for value, counts in zip(found, drawn[0], strict=True):
        assert value <= exact(counts.astype(float), ones[1]) + 1e-9


def test_too_many_pairs_are_told_before_they_fill_the_memory():
    n = int(MAX_PAIRS**0.5) + 1
    with pytest.raises(InputError, match=r"at most 400,000,000 pairs .* got 20,001 x 20,001 values"):
        wasserstein(np.zeros((n, 2)), np.zeros((n, 2)))


def test_without_pot_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ot", None)
    assert wasserstein([0.0], [1.0]) == 1.0
    with pytest.raises(
        InputError, match=r"POT: expected it to be installed; pip install 'torch_afm\[eval\]'"
    ):
        wasserstein([[0.0, 0.0]], [[1.0, 1.0]])


def test_with_the_same_directions_it_is_pots(draw):
    x, y = draw(30, 3), draw(41, 3, 0.5)
    theirs = ot.sliced_wasserstein_distance(x, y, p=1, projections=directions(3, 50, seed=7).T)
    assert sliced_wasserstein(x, y, seed=7) == pytest.approx(theirs, rel=1e-10)


def test_a_shift_in_the_plane_costs_its_mean_projection(draw):
    x = draw(50, 2)
    # Mean of |cos| over the circle is 2 / pi.
    assert sliced_wasserstein(x, x + np.array([3.0, 4.0]), projections=20_000) == pytest.approx(
        10 / np.pi, rel=0.02
    )


def test_on_a_line_it_is_the_wasserstein_distance(draw):
    x, y = draw(20), draw(30, shift=1.0)
    assert sliced_wasserstein(x, y, projections=3) == pytest.approx(wasserstein(x, y), rel=1e-12)


def test_never_above_the_exact_distance_and_a_metric(draw):
    x, y, z = draw(20, 2), draw(30, 2, 0.5), draw(25, 2, -0.5)
    assert sliced_wasserstein(x, y) <= wasserstein(x, y)
    assert sliced_wasserstein(x, x[::-1]) == pytest.approx(0, abs=1e-12)
    assert sliced_wasserstein(x, y) == pytest.approx(sliced_wasserstein(y, x), rel=1e-12)
    assert sliced_wasserstein(x, z) <= sliced_wasserstein(x, y) + sliced_wasserstein(y, z) + 1e-12


def test_seeds_of_directions(draw):
    x, y = draw(20, 2), draw(30, 2, 0.5)
    assert sliced_wasserstein(x, y, seed=1) == sliced_wasserstein(x, y, seed=1)
    assert sliced_wasserstein(x, y, seed=1) != sliced_wasserstein(x, y, seed=2)
    np.testing.assert_allclose(np.linalg.norm(directions(4, 9, 0), axis=1), 1)
    with pytest.raises(InputError, match="projections: expected 1 or more, got 0"):
        sliced_wasserstein(x, y, projections=0)


_VALUES = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=8)


@settings(max_examples=30, deadline=None)
@given(_VALUES, _VALUES)
def test_values_are_scipys_with_ties_and_single_values_too(x, y):
    found = differentiable_wasserstein(torch.tensor(x).double(), torch.tensor(y).double())
    assert float(found) == pytest.approx(wasserstein_distance(x, y), abs=1e-12)


def test_gradients_are_finite_differences_and_pots():
    torch.manual_seed(0)
    x = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    y = torch.randn(2, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(differentiable_wasserstein, (x, y))
    ours = torch.autograd.grad(differentiable_wasserstein(x, y).sum(), x)[0]
    theirs = torch.autograd.grad(ot.wasserstein_1d(x.T, y.T, p=1).sum(), x)[0]
    torch.testing.assert_close(ours, theirs)


def test_descent_moves_a_sample_onto_another():
    torch.manual_seed(0)
    target = torch.randn(40) * 0.5 + 2
    x = torch.randn(30).requires_grad_()
    optimizer = torch.optim.SGD([x], lr=1.0)
    for _ in range(200):
        optimizer.zero_grad()
        differentiable_wasserstein(x, target).backward()
        optimizer.step()
    assert wasserstein_distance(x.detach(), target) < 0.05


#: What is refused.
REFUSED_TENSORS = [
    (torch.tensor([0.0, torch.nan]), torch.ones(2), "x"),
    (torch.ones(2), torch.ones(0), "y"),
    (torch.ones(2, dtype=torch.long), torch.ones(2), "x"),
    (torch.tensor(1.0), torch.ones(2), "x"),
    (torch.ones(3, 2), torch.ones(2, 2), "y"),
]


def test_bad_tensors():
    for x, y, name in REFUSED_TENSORS:
        with pytest.raises(InputError, match=f"^{name}: "):
            differentiable_wasserstein(x, y)


def _entropy_by_scipy(x, y, bins):
    both = np.concatenate([x, y])
    ranges = np.stack([both.min(0), both.max(0)], axis=1)
    p, q = (np.histogramdd(v, bins=bins, range=ranges)[0].ravel() / len(v) for v in (x, y))
    p, q = ((1 - SPREAD) * h + SPREAD / len(h) for h in (p, q))
    return entropy(p, q)


@pytest.mark.parametrize(("d", "bins", "default"), [(1, 30, True), (2, 10, True), (2, 7, False)])
def test_it_is_scipys_of_the_histograms(draw, d, bins, default):
    x, y = draw(300, d), draw(200, d, 0.5)
    found = kl_divergence(x, y) if default else kl_divergence(x, y, bins)
    assert found == pytest.approx(_entropy_by_scipy(x, y, bins), rel=1e-9)


def test_kl_of_two_gaussians():
    """KL(N(m, 1), N(0, 1)) = m² / 2, up to the width of the bins."""
    z = norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    assert kl_divergence(z + 0.5, z, bins=60) == pytest.approx(0.125, rel=0.03)


@settings(max_examples=20, deadline=None)
@given(_SETS, _SETS)
def test_zero_of_equal_sets_and_bounded_always(x, y):
    for a, b in ((x, y), (x[:, :1], y[:, :1])):
        assert kl_divergence(a, np.concatenate([a, a])) == pytest.approx(0, abs=1e-12)
        assert 0 <= kl_divergence(a, b) <= np.log(100 / SPREAD)


def test_kl_draws_are_those_of_the_repeated_values():
    ends = np.array([0.0, 10.0])  # in every draw, so that the bins stay
    x = Sample.from_parts("x", [ends, np.arange(4.0), np.empty(0)])
    y = Sample.from_parts("y", [ends, np.arange(3, 9.0)])
    counts = np.array([[1, 2, 0], [2, 1, 0], [0, 0, 3]]), np.array([[1, 1], [2, 0], [1, 1]])
    found = kl_draws(x, y, *counts)
    for i in range(2):
        drawn = (np.repeat(s.values, c[i][s.structure], axis=0) for s, c in zip((x, y), counts, strict=True))
        assert found[i] == pytest.approx(kl_divergence(*drawn), rel=1e-9)
    assert np.isnan(found[2])


def test_bad_bins():
    for bins in (0, 10_000_001):
        with pytest.raises(InputError, match="bins: expected 1 to 10 million"):
            kl_divergence([0.0], [1.0], bins)


RNG = np.random.default_rng(7)
PLANE = RNG.random((40, 2)).round(3), (RNG.random((25, 2)) * 0.7 + 0.2).round(3)
LINE = np.linspace(0, 1, 12)[:, None] ** 2, np.linspace(0, 1, 7)[:, None] + 0.25


@pytest.mark.parametrize(
    ("samples", "blur", "scaling", "expected"),
    [
        (PLANE, 1e-4, 0.5, 0.1589626103652902),
        (PLANE, 0.05, 0.5, 0.11823199913388713),
        (PLANE, 0.01, 0.9, 0.1641403962113041),
        (LINE, 1e-4, 0.5, 0.32266946542665664),
        (LINE, 0.05, 0.5, 0.3002069414766081),
    ],
)
def test_equals_geomloss(samples, blur, scaling, expected):
    # GeomLoss 0.3.1, SamplesLoss("sinkhorn", p=1, blur, scaling, backend="tensorized") in float64.
    assert sinkhorn_divergence(*samples, blur, scaling) == pytest.approx(expected, abs=1e-12)


def test_tends_to_the_exact_distance_but_not_as_published():
    exact = wasserstein_distance(LINE[0][:, 0], LINE[1][:, 0])
    assert sinkhorn_divergence(*LINE, blur=1e-3, scaling=0.98) == pytest.approx(exact, rel=0.01)
    assert sinkhorn_divergence(*LINE) < 0.97 * exact


def test_same_samples_and_order():
    assert sinkhorn_divergence(PLANE[0], PLANE[0]) == pytest.approx(0, abs=1e-12)
    assert sinkhorn_divergence(np.ones((3, 2)), np.ones((4, 2))) == 0
    assert sinkhorn_divergence(*PLANE) == pytest.approx(sinkhorn_divergence(*PLANE[::-1]), abs=1e-12)


#: What is refused.
REFUSED = [
    (np.ones(3), np.ones((3, 1)), {}, "x:"),
    (np.ones((3, 1)), np.ones((3, 2)), {}, "y:"),
    (np.ones((0, 2)), np.ones((3, 2)), {}, "x:"),
    (np.ones((3, 2)), np.full((3, 2), np.nan), {}, "y:"),
    (*PLANE, {"blur": 0.0}, "blur"),
    (*PLANE, {"scaling": 1.0}, "scaling"),
]


def test_refused():
    for x, y, arguments, message in REFUSED:
        with pytest.raises(InputError, match=message):
            sinkhorn_divergence(x, y, **arguments)
