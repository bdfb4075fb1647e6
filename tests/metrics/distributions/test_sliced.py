"""Sliced Wasserstein distance."""

import numpy as np
import ot
import pytest

from torch_afm.metrics.distributions import sliced_wasserstein, wasserstein
from torch_afm.metrics.distributions.sliced import directions
from torch_afm.utils import InputError


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


def test_seeds(draw):
    x, y = draw(20, 2), draw(30, 2, 0.5)
    assert sliced_wasserstein(x, y, seed=1) == sliced_wasserstein(x, y, seed=1)
    assert sliced_wasserstein(x, y, seed=1) != sliced_wasserstein(x, y, seed=2)
    np.testing.assert_allclose(np.linalg.norm(directions(4, 9, 0), axis=1), 1)
    with pytest.raises(InputError, match="projections: expected 1 or more, got 0"):
        sliced_wasserstein(x, y, projections=0)
