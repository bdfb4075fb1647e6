"""Sums over pairs, against the whole matrix, and the distances made of them."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist
from scipy.stats import norm

from torch_afm.metrics.distributions import energy_distance, kernels, mmd
from torch_afm.metrics.distributions.kernels import energy_draws, mmd_draws
from torch_afm.metrics.distributions.samples import Sample
from torch_afm.utils import InputError


@pytest.mark.parametrize("chunk", [1, 50, 1_000_000])
@pytest.mark.parametrize("d", [1, 3])
def test_block_sums(monkeypatch, draw, chunk, d):
    monkeypatch.setattr(kernels, "_CHUNK", chunk)
    x = Sample.from_parts("x", [draw(4, d), draw(0, d), draw(9, d)])
    y = Sample.from_parts("y", [draw(3, d), draw(1, d)])
    x = x.take(np.random.default_rng(0).permutation(len(x)))  # need not be sorted by structure
    values = np.concatenate([x.values, y.values])
    member = np.eye(5)[np.concatenate([x.structure, y.structure + 3])]
    expected = member.T @ np.exp(-cdist(values, values)) @ member
    np.testing.assert_allclose(kernels.block_sums(x, y, lambda r: np.exp(-r)), expected, rtol=1e-12)


@pytest.mark.parametrize("chunk", [1, 1_000_000])
@pytest.mark.parametrize("d", [1, 2])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_median_is_that_of_the_full_matrix(chunk, d, data):
    element = st.floats(-100, 100).map(lambda v: round(v, 2)) | st.sampled_from([0.0, 1.0])
    values = data.draw(arrays(float, st.tuples(st.integers(1, 12), st.just(d)), elements=element))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "_CHUNK", chunk)
        found = kernels.median_distance(values)
    assert found == pytest.approx(np.median(cdist(values, values)), abs=1e-12)


@pytest.mark.parametrize("d", [1, 2])
def test_median_of_many(draw, d):
    values = draw(1500, d)
    assert kernels.median_distance(values) == pytest.approx(np.median(cdist(values, values)), rel=1e-12)


def _energy_by_definition(x, y):
    return 2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean()


@pytest.mark.parametrize("d", [1, 2, 5])
def test_energy_is_the_v_statistic(draw, d):
    x, y = draw(30, d), draw(45, d, 0.3)
    assert energy_distance(x, y) == pytest.approx(_energy_by_definition(x, y), rel=1e-9)


def test_it_is_the_square_of_scipys(draw):
    x, y = draw(30)[:, 0], draw(45, shift=0.3)[:, 0]
    assert energy_distance(x, y) == pytest.approx(scipy.stats.energy_distance(x, y) ** 2, rel=1e-9)


def test_energy_of_two_points():
    assert energy_distance([0.0], [2.5]) == pytest.approx(5.0)
    assert energy_distance([[0.0, 0.0]], [[3.0, 4.0]]) == pytest.approx(10.0)


_SETS = arrays(float, st.tuples(st.integers(1, 6), st.just(2)), elements=st.integers(-5, 5).map(float))


@settings(max_examples=20, deadline=None)
@given(_SETS, _SETS, _SETS)
def test_its_root_is_a_metric(x, y, z):
    for a, b, c in ((x, y, z), (x[:, :1], y[:, :1], z[:, :1])):
        assert energy_distance(a, np.concatenate([a, a])) == pytest.approx(0, abs=1e-12)
        assert energy_distance(a, b) == pytest.approx(energy_distance(b, a), abs=1e-10)
        root = [np.sqrt(energy_distance(*p)) for p in ((a, c), (a, b), (b, c))]
        assert root[0] <= root[1] + root[2] + 1e-6


def test_energy_draws_are_those_of_the_repeated_values(draw):
    x = Sample.from_parts("x", [draw(3, 2), draw(4, 2), draw(0, 2)])
    y = Sample.from_parts("y", [draw(5, 2, 1.0), draw(6, 2, 1.0)])
    counts = np.array([[1, 1, 1], [2, 1, 0], [0, 0, 3]]), np.array([[1, 1], [2, 0], [1, 1]])
    found = energy_draws(x, y, *counts)
    for i in range(2):
        drawn = (np.repeat(s.values, c[i][s.structure], axis=0) for s, c in zip((x, y), counts, strict=True))
        assert found[i] == pytest.approx(_energy_by_definition(*drawn), rel=1e-9)
    assert np.isnan(found[2])


def _mmd_by_definition(x, y, sigma):
    k = (np.exp(-(cdist(a, b) ** 2) / (2 * sigma**2)).mean() for a, b in ((x, x), (y, y), (x, y)))
    return np.sqrt(next(k) + next(k) - 2 * next(k))


@pytest.mark.parametrize("d", [1, 2, 5])
def test_the_default_bandwidth_is_the_median_with_the_diagonal(draw, d):
    x, y = draw(30, d), draw(45, d, 0.3)
    both = np.concatenate([x, y])
    assert mmd(x, y) == pytest.approx(_mmd_by_definition(x, y, np.median(cdist(both, both))), rel=1e-9)


def test_mmd_of_two_gaussians():
    """Gretton et al.: means of a Gaussian kernel over Gaussians are Gaussians again."""
    z = norm.ppf((np.arange(2000) + 0.5) / 2000)
    sigma, shift = 0.8, 1.5
    width = sigma**2 + 2
    inside, across = np.sqrt(sigma**2 / width) * np.exp(-(np.array([0, shift]) ** 2) / (2 * width))
    assert mmd(z, z + shift, sigma) == pytest.approx(np.sqrt(2 * (inside - across)), rel=1e-3)


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
    assert mmd(x, y) == pytest.approx(_mmd_by_definition(x, y, 10 / 36), rel=1e-9)


def test_mmd_draws_are_those_of_the_repeated_values(draw):
    x = Sample.from_parts("x", [draw(3, 2), draw(4, 2), draw(0, 2)])
    y = Sample.from_parts("y", [draw(5, 2, 1.0), draw(6, 2, 1.0)])
    counts = np.array([[1, 1, 1], [2, 1, 0], [0, 0, 3]]), np.array([[1, 1], [2, 0], [1, 1]])
    found = mmd_draws(x, y, *counts, sigma=0.7)
    for i in range(2):
        drawn = (np.repeat(s.values, c[i][s.structure], axis=0) for s, c in zip((x, y), counts, strict=True))
        assert found[i] == pytest.approx(_mmd_by_definition(*drawn, 0.7), rel=1e-9)
    assert np.isnan(found[2])


@pytest.mark.parametrize("sigma", [0, -1.0, np.nan, np.inf])
def test_bad_bandwidths(sigma):
    with pytest.raises(InputError, match="sigma: expected a positive number"):
        mmd([0.0], [1.0], sigma)
