"""Exact Wasserstein distances."""

import sys

import numpy as np
import ot
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.stats import norm

from torch_afm.metrics.distributions import wasserstein
from torch_afm.metrics.distributions import wasserstein as package_name  # the function, not the module
from torch_afm.metrics.distributions.samples import Sample
from torch_afm.metrics.distributions.wasserstein import MAX_PAIRS, transport, wasserstein_draws
from torch_afm.utils import InputError


def test_two_gaussians_on_a_line():
    """Their distance is the mean of |difference of quantiles|: for a shift and one spread, the shift."""
    quantiles = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    assert wasserstein(quantiles, quantiles + 0.7) == pytest.approx(0.7, rel=1e-12)
    # N(0, 1) and N(0, 3²): E|2 z| = 2 sqrt(2 / pi)
    assert wasserstein(quantiles, 3 * quantiles) == pytest.approx(2 * np.sqrt(2 / np.pi), rel=1e-4)
    assert package_name is wasserstein


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
    x = Sample.of("x", [draw(n, 2) for n in (8, 9, 10, 11)])
    y = Sample.of("y", [draw(n, 2, 1.0, seed=3) for n in (12, 13, 14)])

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
