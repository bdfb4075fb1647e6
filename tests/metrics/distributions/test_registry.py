"""A distance of one's own."""

import numpy as np
import pytest

from torch_afm.metrics.distributions import DISTANCES, compare, distance, format_comparisons
from torch_afm.utils import InputError


@pytest.fixture
def means():
    @distance("means")
    def distance_of_means(x, y):
        """Distance of the means."""
        return float(np.linalg.norm(x.mean(axis=0) - y.mean(axis=0)))

    yield distance_of_means
    del DISTANCES["means"]


def test_a_distance_from_outside_is_compared_and_shown(means):
    rng = np.random.default_rng(0)
    x, y = ([{"d_OO": rng.normal(c, 0.1, 6)} for _ in range(n)] for c, n in ((2.9, 8), (2.8, 12)))
    comparison = compare(x, y, n=100)
    found = comparison.features["d_OO"]["distances"]
    assert set(found) == {"wasserstein", "energy", "mmd", "kl", "means"}  # in the default, too
    value = abs(np.mean([p["d_OO"] for p in x]) - np.mean([p["d_OO"] for p in y]))
    assert found["means"]["raw"]["value"] == pytest.approx(value)
    assert found["means"]["normalized"]["value"] == pytest.approx(value / 3.5)
    low, high = found["means"]["raw"]["interval"]
    assert low < value < high
    assert "means, normalized" in format_comparisons({"model": comparison})


def test_draws_without_values_have_no_distance(means):
    x = [{"d_OO": np.array([3.0])}, {"d_OO": np.empty(0)}]
    found = compare(x, [{"d_OO": np.array([2.0])}] * 3, ["means"], n=50)
    assert found.features["d_OO"]["distances"]["means"]["raw"]["interval"] == [1.0, 1.0]


def test_names_are_taken_once(means):
    with pytest.raises(InputError, match=r"^name: "):
        distance("energy")(means)
