import numpy as np
import pytest
from scipy.spatial.distance import cdist

from torch_afm.datasets.packing import bring_into_contact, draw_lattice, lattice_points, turn_about_z


def _group(seed, n=12):
    rng = np.random.default_rng(seed)
    return rng.uniform(-4, 4, (n, 3)) * (1, 0.5, 0.1), rng.uniform(1.1, 1.9, n)


@pytest.mark.parametrize("seed", range(5))
def test_two_spheres_touch_after_the_move_and_none_overlap_farther_along(seed):
    (pos, radii), (others, others_radii) = _group(seed), _group(seed + 10)
    angle = 0.7 + seed
    shift = bring_into_contact(pos, radii, others, others_radii, angle)
    assert np.allclose(shift, np.linalg.norm(shift) * np.array([np.cos(angle), np.sin(angle), 0]))
    free = cdist(pos + shift, others) - radii[:, None] - others_radii
    assert free.min() == pytest.approx(0, abs=1e-9)
    for factor in (1.1, 1.5, 3.0):
        assert (cdist(pos + factor * shift, others) - radii[:, None] - others_radii).min() > 0


def test_nothing_moves_that_is_in_nobodys_way():
    pos, radii = _group(0)
    assert not bring_into_contact(pos + np.array([0, 30, 0]), radii, pos, radii, 0.0).any()


@pytest.mark.parametrize("seed", range(20))
def test_copies_on_a_lattice_do_not_overlap(seed):
    pos, radii = _group(seed)
    vectors = draw_lattice(pos, radii, 0.0, np.random.default_rng(seed))
    closest = np.inf
    for i in range(-4, 5):
        for j in range(-4, 5):
            if (i, j) != (0, 0):
                copy = pos + np.append(np.array([i, j]) @ vectors, 0.0)
                closest = min(closest, (cdist(copy, pos) - radii[:, None] - radii).min())
    assert closest == pytest.approx(0, abs=1e-9)
    cosine = vectors[0] @ vectors[1] / np.prod(np.linalg.norm(vectors, axis=1))
    assert abs(cosine) <= 0.5 + 1e-9


def test_points_of_a_lattice():
    vectors, center = np.array([[3.0, 0.5], [-1.0, 2.0]]), np.array([10.0, -7.0])
    i, j = np.mgrid[-60:61, -60:61].reshape(2, -1)
    every = np.stack([i, j], axis=1) @ vectors
    expected = every[np.linalg.norm(every - center, axis=1) <= 9.0]
    found = lattice_points(vectors, center, 9.0)
    assert np.allclose(np.sort(found.round(6), axis=0), np.sort(expected.round(6), axis=0))
    assert len(found) == pytest.approx(np.pi * 81 / 6.5, rel=0.1)


def test_turn_is_counter_clockwise():
    assert np.allclose(turn_about_z(np.pi / 2) @ [1, 0, 5], [0, 1, 5])
