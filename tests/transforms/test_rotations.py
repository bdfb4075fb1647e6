import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from torch_afm.transforms import best_rotations, visibility_entropy
from torch_afm.transforms.rotations import best_rotation_ids, candidate_rotations


def _by_loops(pos, rotations, beta):
    values = []
    for matrix in rotations.as_matrix():
        z = [float(matrix[2] @ p) for p in pos]
        values.append(sum(np.exp(-beta * (max(z) - v)) for v in z))
    return np.array(values)


def test_entropy_is_the_sum_written_out():
    pos = np.random.default_rng(0).normal(size=(7, 3)) * 3
    rotations = Rotation.random(5, random_state=1)
    assert np.allclose(visibility_entropy(pos, rotations, 0.7), _by_loops(pos, rotations, 0.7), rtol=1e-12)


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
        entropy = _by_loops(pos, drawn, 1.0)
        assert np.allclose(entropy[row], np.sort(entropy)[::-1][:9], rtol=1e-12)
        assert np.array_equal(drawn[row].as_quat(), best_rotations(pos, 9, 80, 2).as_quat())
    assert best_rotation_ids([], n=3).shape == (0, 3)
    # One atom: all rotations are equal, and the first are taken.
    assert ids[0].tolist() == list(range(9))
