"""Energy distance."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import cdist

from torch_afm.metrics.distributions import energy_distance
from torch_afm.metrics.distributions.energy import energy_draws
from torch_afm.metrics.distributions.samples import Sample


def _by_definition(x, y):
    return 2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean()


@pytest.mark.parametrize("d", [1, 2, 5])
def test_it_is_the_v_statistic(draw, d):
    x, y = draw(30, d), draw(45, d, 0.3)
    assert energy_distance(x, y) == pytest.approx(_by_definition(x, y), rel=1e-9)


def test_it_is_the_square_of_scipys(draw):
    x, y = draw(30)[:, 0], draw(45, shift=0.3)[:, 0]
    assert energy_distance(x, y) == pytest.approx(scipy.stats.energy_distance(x, y) ** 2, rel=1e-9)


def test_two_points():
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


def test_draws_are_those_of_the_repeated_values(draw):
    x = Sample.of("x", [draw(3, 2), draw(4, 2), draw(0, 2)])
    y = Sample.of("y", [draw(5, 2, 1.0), draw(6, 2, 1.0)])
    counts = np.array([[1, 1, 1], [2, 1, 0], [0, 0, 3]]), np.array([[1, 1], [2, 0], [1, 1]])
    found = energy_draws(x, y, *counts)
    for i in range(2):
        drawn = (np.repeat(s.values, c[i][s.structure], axis=0) for s, c in zip((x, y), counts, strict=True))
        assert found[i] == pytest.approx(_by_definition(*drawn), rel=1e-9)
    assert np.isnan(found[2])
