"""Samples of structures, and weighted distances on a line."""

import numpy as np
import pytest
from scipy.stats import energy_distance, wasserstein_distance

from torch_afm.metrics import distributions
from torch_afm.metrics.distributions import samples as module
from torch_afm.metrics.distributions.samples import Sample, as_rows
from torch_afm.utils import InputError

PUBLIC = ["energy_distance", "kl_divergence", "mmd", "sliced_wasserstein", "wasserstein"]


def test_masses_are_those_of_the_repeated_values():
    sample = Sample.from_parts("x", [np.arange(3.0), np.empty(0), np.arange(2.0)])
    counts = np.array([[1, 1, 1], [0, 3, 2], [2, 0, 1], [0, 1, 0]])
    masses = sample.masses(counts)
    for count, mass in zip(counts[:3], masses[:3], strict=True):
        repeated = np.repeat(sample.structure, count[sample.structure])
        of_each = np.bincount(repeated, minlength=3) / len(repeated)
        np.testing.assert_allclose(np.bincount(sample.structure, mass[sample.structure], 3), of_each)
    assert np.isnan(masses[3]).all()  # only the structure without values was drawn


def test_part_takes_the_structures_asked_for():
    sample = Sample.from_parts("x", [np.array([1.0]), np.array([2.0, 3.0]), np.empty(0), np.array([4.0])])
    part = sample.part(np.array([3, 1]))
    assert part.n_structures == 2
    assert dict(zip(part.values[:, 0], part.structure, strict=True)) == {4.0: 0, 2.0: 1, 3.0: 1}


def test_shapes_and_numbers_are_checked():
    assert as_rows("x", [1, 2]).shape == (2, 1)
    for bad, told in (
        (np.zeros((2, 2, 2)), r"x: expected shape \[N\] or \[N, D\], got \[2, 2, 2\]"),
        (np.zeros((3, 0)), "got \\[3, 0\\]"),
        (1.0, "got \\[\\]"),
        (["a"], "expected numbers"),
        ([np.inf], "x: expected finite numbers"),
    ):
        with pytest.raises(InputError, match=told):
            as_rows("x", bad)
    with pytest.raises(InputError, match=r"x: expected values of one dimension, got \[1, 2\]"):
        Sample.from_parts("x", [np.zeros((2, 1)), np.zeros((2, 2))])


@pytest.mark.parametrize("name", PUBLIC)
def test_every_distance_refuses_bad_values(name):
    distance = getattr(distributions, name)
    with pytest.raises(InputError, match="y: expected finite numbers, got 1 NaN"):
        distance([0.0, 1.0], [np.nan, 1.0])
    with pytest.raises(InputError, match="x: expected at least one value, got none"):
        distance([], [1.0])
    with pytest.raises(InputError, match="y: expected dimension 1 as x, got 2"):
        distance([1.0], [[1.0, 2.0]])


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    x = Sample.from_parts("x", [rng.integers(0, 9, size=n) / 4 for n in (5, 0, 7)])  # with ties
    y = Sample.from_parts("y", [rng.normal(size=n) for n in (4, 6)])
    return x, y


@pytest.mark.parametrize("chunk", [1, 1_000_000])
def test_every_draw_is_scipys_distance_of_the_repeated_values(samples, monkeypatch, chunk):
    monkeypatch.setattr(module, "_CHUNK", chunk)
    x, y = samples
    x_counts, y_counts = np.array([[1, 1, 1], [3, 0, 0], [0, 1, 2]]), np.array([[1, 1], [0, 2], [2, 0]])
    first = module.cdf_distance(x, y, x_counts, y_counts, power=1)
    second = module.cdf_distance(x, y, x_counts, y_counts, power=2)
    for i in range(3):
        drawn = [np.repeat(s.values[:, 0], c[i][s.structure]) for s, c in ((x, x_counts), (y, y_counts))]
        assert first[i] == pytest.approx(wasserstein_distance(*drawn), abs=1e-12)
        assert 2 * second[i] == pytest.approx(energy_distance(*drawn) ** 2, abs=1e-12)


def test_a_draw_without_values_has_no_distance(samples):
    found = module.cdf_distance(*samples, np.array([[0, 1, 0], [1, 0, 0]]), np.ones((2, 2)), power=1)
    assert np.isnan(found).tolist() == [True, False]
