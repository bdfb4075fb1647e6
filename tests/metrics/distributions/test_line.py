"""Weighted distances on a line."""

import numpy as np
import pytest
from scipy.stats import energy_distance, wasserstein_distance

from torch_afm.metrics.distributions import line
from torch_afm.metrics.distributions.samples import Sample


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    x = Sample.of("x", [rng.integers(0, 9, size=n) / 4 for n in (5, 0, 7)])  # with ties
    y = Sample.of("y", [rng.normal(size=n) for n in (4, 6)])
    return x, y


@pytest.mark.parametrize("chunk", [1, 1_000_000])
def test_every_draw_is_scipys_distance_of_the_repeated_values(samples, monkeypatch, chunk):
    monkeypatch.setattr(line, "_CHUNK", chunk)
    x, y = samples
    x_counts, y_counts = np.array([[1, 1, 1], [3, 0, 0], [0, 1, 2]]), np.array([[1, 1], [0, 2], [2, 0]])
    first = line.cdf_distance(x, y, x_counts, y_counts, power=1)
    second = line.cdf_distance(x, y, x_counts, y_counts, power=2)
    for i in range(3):
        drawn = [np.repeat(s.values[:, 0], c[i][s.structure]) for s, c in ((x, x_counts), (y, y_counts))]
        assert first[i] == pytest.approx(wasserstein_distance(*drawn), abs=1e-12)
        assert 2 * second[i] == pytest.approx(energy_distance(*drawn) ** 2, abs=1e-12)


def test_a_draw_without_values_has_no_distance(samples):
    found = line.cdf_distance(*samples, np.array([[0, 1, 0], [1, 0, 0]]), np.ones((2, 2)), power=1)
    assert np.isnan(found).tolist() == [True, False]
