"""Kullback-Leibler divergence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import entropy, norm

from torch_afm.metrics.distributions import kl_divergence
from torch_afm.metrics.distributions.kl import SPREAD, kl_draws
from torch_afm.metrics.distributions.samples import Sample
from torch_afm.utils import InputError


def _scipys(x, y, bins):
    both = np.concatenate([x, y])
    ranges = np.stack([both.min(0), both.max(0)], axis=1)
    p, q = (np.histogramdd(v, bins=bins, range=ranges)[0].ravel() / len(v) for v in (x, y))
    p, q = ((1 - SPREAD) * h + SPREAD / len(h) for h in (p, q))
    return entropy(p, q)


@pytest.mark.parametrize(("d", "bins", "default"), [(1, 30, True), (2, 10, True), (2, 7, False)])
def test_it_is_scipys_of_the_histograms(draw, d, bins, default):
    x, y = draw(300, d), draw(200, d, 0.5)
    found = kl_divergence(x, y) if default else kl_divergence(x, y, bins)
    assert found == pytest.approx(_scipys(x, y, bins), rel=1e-9)


def test_two_gaussians():
    """KL(N(m, 1), N(0, 1)) = m² / 2, up to the width of the bins."""
    z = norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    assert kl_divergence(z + 0.5, z, bins=60) == pytest.approx(0.125, rel=0.03)


_SETS = arrays(float, st.tuples(st.integers(1, 6), st.just(2)), elements=st.integers(-5, 5).map(float))


@settings(max_examples=20, deadline=None)
@given(_SETS, _SETS)
def test_zero_of_equal_sets_and_bounded_always(x, y):
    for a, b in ((x, y), (x[:, :1], y[:, :1])):
        assert kl_divergence(a, np.concatenate([a, a])) == pytest.approx(0, abs=1e-12)
        assert 0 <= kl_divergence(a, b) <= np.log(100 / SPREAD)


def test_draws_are_those_of_the_repeated_values():
    ends = np.array([0.0, 10.0])  # in every draw, so that the bins stay
    x = Sample.of("x", [ends, np.arange(4.0), np.empty(0)])
    y = Sample.of("y", [ends, np.arange(3, 9.0)])
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
