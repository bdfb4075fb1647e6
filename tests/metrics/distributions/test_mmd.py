"""Maximum mean discrepancy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist
from scipy.stats import norm

from torch_afm.metrics.distributions import mmd
from torch_afm.metrics.distributions.mmd import mmd_draws
from torch_afm.metrics.distributions.samples import Sample
from torch_afm.utils import InputError


def _by_definition(x, y, sigma):
    k = (np.exp(-(cdist(a, b) ** 2) / (2 * sigma**2)).mean() for a, b in ((x, x), (y, y), (x, y)))
    return np.sqrt(next(k) + next(k) - 2 * next(k))


@pytest.mark.parametrize("d", [1, 2, 5])
def test_the_default_bandwidth_is_the_median_with_the_diagonal(draw, d):
    x, y = draw(30, d), draw(45, d, 0.3)
    both = np.concatenate([x, y])
    assert mmd(x, y) == pytest.approx(_by_definition(x, y, np.median(cdist(both, both))), rel=1e-9)


def test_two_gaussians():
    """Gretton et al.: means of a Gaussian kernel over Gaussians are Gaussians again."""
    z = norm.ppf((np.arange(2000) + 0.5) / 2000)
    sigma, shift = 0.8, 1.5
    width = sigma**2 + 2
    inside, across = np.sqrt(sigma**2 / width) * np.exp(-(np.array([0, shift]) ** 2) / (2 * width))
    assert mmd(z, z + shift, sigma) == pytest.approx(np.sqrt(2 * (inside - across)), rel=1e-3)


_SETS = arrays(float, st.tuples(st.integers(1, 6), st.just(2)), elements=st.integers(-5, 5).map(float))


@settings(max_examples=20, deadline=None)
@given(_SETS, _SETS, _SETS)
def test_with_one_bandwidth_it_is_a_metric(x, y, z):
    for a, b, c in ((x, y, z), (x[:, :1], y[:, :1], z[:, :1])):
        assert mmd(a, np.concatenate([a, a]), 1.0) == pytest.approx(0, abs=1e-7)
        assert mmd(a, b, 1.0) == pytest.approx(mmd(b, a, 1.0), abs=1e-7)
        assert mmd(a, c, 1.0) <= mmd(a, b, 1.0) + mmd(b, c, 1.0) + 1e-6
        assert np.isfinite(mmd(a, b))


def test_single_and_equal_values():
    assert mmd([2.0, 2.0], [2.0]) == 0
    # One outlier of six: the median is 0, the mean of the 36 distances 10 / 36.
    x, y = np.zeros((5, 1)), np.ones((1, 1))
    assert mmd(x, y) == pytest.approx(_by_definition(x, y, 10 / 36), rel=1e-9)


def test_draws_are_those_of_the_repeated_values(draw):
    x = Sample.of("x", [draw(3, 2), draw(4, 2), draw(0, 2)])
    y = Sample.of("y", [draw(5, 2, 1.0), draw(6, 2, 1.0)])
    counts = np.array([[1, 1, 1], [2, 1, 0], [0, 0, 3]]), np.array([[1, 1], [2, 0], [1, 1]])
    found = mmd_draws(x, y, *counts, sigma=0.7)
    for i in range(2):
        drawn = (np.repeat(s.values, c[i][s.structure], axis=0) for s, c in zip((x, y), counts, strict=True))
        assert found[i] == pytest.approx(_by_definition(*drawn, 0.7), rel=1e-9)
    assert np.isnan(found[2])


@pytest.mark.parametrize("sigma", [0, -1.0, np.nan, np.inf])
def test_bad_bandwidths(sigma):
    with pytest.raises(InputError, match="sigma: expected a positive number"):
        mmd([0.0], [1.0], sigma)
