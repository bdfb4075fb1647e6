import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from torch_afm.transforms import best_rotations, flat_rotation, visibility_entropy
from torch_afm.transforms.rotations import best_rotation_ids, candidate_rotations
from torch_afm.utils import InputError


def _by_loops(pos, rotations):
    values = []
    for matrix in rotations.as_matrix():
        z = [float(matrix[2] @ p) for p in pos]
        values.append(sum(np.exp(v - max(z)) for v in z))
    return np.array(values)


def test_entropy_is_the_sum_written_out():
    pos = np.random.default_rng(0).normal(size=(7, 3)) * 3
    rotations = Rotation.random(5, random_state=1)
    assert np.allclose(visibility_entropy(pos, rotations), _by_loops(pos, rotations), rtol=1e-12)


def test_flat_square_lies_flat():
    pos = np.array([[2.0, 2, 0], [2, -2, 0], [-2, 2, 0], [-2, -2, 0]])
    best = best_rotations(pos, n=3, candidates=2000, seed=0)
    normals = best.as_matrix()[:, 2, 2]
    assert np.all(np.abs(normals) > 0.99)
    assert visibility_entropy(pos, Rotation.identity(1))[0] == pytest.approx(4.0)


def test_best_first_and_exact():
    pos = np.random.default_rng(3).normal(size=(12, 3)) * 2
    everything = visibility_entropy(pos, Rotation.random(200, random_state=5))
    chosen = visibility_entropy(pos, best_rotations(pos, n=30, candidates=200, seed=5))
    assert np.allclose(chosen, np.sort(everything)[::-1][:30])


def test_many_molecules_at_once_are_each_alone():
    """Of many sizes, one atom included, and more than are judged together."""
    rng = np.random.default_rng(7)
    positions = [rng.normal(size=(1 + i % 23, 3)) * 2 for i in range(40)]
    ids = best_rotation_ids(positions, n=9, candidates=80, seed=2)
    drawn = candidate_rotations(80, 2)
    for row, pos in zip(ids, positions, strict=True):
        entropy = _by_loops(pos, drawn)
        assert np.allclose(entropy[row], np.sort(entropy)[::-1][:9], rtol=1e-12)
        assert np.array_equal(drawn[row].as_quat(), best_rotations(pos, 9, 80, 2).as_quat())
    assert best_rotation_ids([], n=3).shape == (0, 3)
    # One atom: all rotations are equal, and the first are taken.
    assert ids[0].tolist() == list(range(9))


def _disc(rng, n=20):
    return np.concatenate([rng.uniform(-5, 5, (n, 2)), np.zeros((n, 1))], axis=1)


def test_planar_molecules_come_to_lie_flat_by_the_smallest_turn():
    """However they stand: the turn is the angle of their plane, and a flat one stays as it is."""
    rng = np.random.default_rng(0)
    pos = _disc(rng)
    assert flat_rotation(pos).magnitude() == pytest.approx(0, abs=1e-7)
    for turn in Rotation.random(20, random_state=1):
        flat = flat_rotation(turn.apply(pos) + 7)
        assert np.ptp(flat.apply(turn.apply(pos))[:, 2]) < 1e-6
        angle = np.arccos(abs(turn.as_matrix()[2, 2]))
        assert flat.magnitude() == pytest.approx(angle, abs=1e-6)


def test_the_side_that_shows_more_comes_up_however_it_lay():
    """A bowl of two rings, and a disc with one atom on it."""
    rng = np.random.default_rng(1)
    angle = np.arange(0, 2 * np.pi, np.pi / 5)
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(10)], axis=1)
    bowl = np.concatenate([2 * ring[::2], 4 * ring + [0, 0, 1.0]])  # ten atoms of the rim show more than five
    bump = np.concatenate([_disc(rng), [[0, 0, 3.0]]])
    bump[:-1] += bump[:-1].mean(0) * [-1, -1, 0]
    for pos, up in ((bowl, True), (bump, False)):
        for turn in Rotation.random(10, random_state=2):
            z = flat_rotation(turn.apply(pos)).apply(turn.apply(pos))[:, 2]
            assert (z[-1] > z[0]) == up


def test_lines_points_and_spheres_have_an_orientation_too():
    line = np.array([[0.0, 0, 0], [1, 1, 1], [2, 2, 2]])
    assert np.ptp(flat_rotation(line).apply(line)[:, 2]) < 1e-9
    tetrahedron = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    for pos in (tetrahedron, np.zeros((1, 3))):
        assert flat_rotation(pos).magnitude() == pytest.approx(0, abs=1e-7)
    for bad in (np.empty((0, 3)), np.full((2, 3), np.nan), np.zeros(3)):
        with pytest.raises(InputError, match="pos: expected"):
            flat_rotation(bad)
