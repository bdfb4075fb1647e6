import ase
import numpy as np

from torch_afm.metrics.structure.neighbors import neighbors
from torch_afm.metrics.structure.orders import fifth_distance, local_structure_index, tetrahedral_orders

TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)


def around(shell, reach=10.0):
    pos = np.vstack([np.zeros(3), shell])
    others = np.arange(1, len(pos))
    return neighbors(pos, np.array([0]), others, reach, np.eye(3), np.zeros(3, dtype=bool))


def test_perfect_tetrahedron():
    np.testing.assert_allclose(tetrahedral_orders(around(2.8 * TETRAHEDRON), 3.5), [[0, 0]], atol=1e-12)


def test_stretched_tetrahedron():
    # r = 2, 2, 2, 3: mean 9/4, squares 3/16 and 9/16 sum to 3/4; angles stay.
    shell = TETRAHEDRON * np.array([2, 2, 2, 3])[:, None]
    np.testing.assert_allclose(
        tetrahedral_orders(around(shell), 3.5), [[0.75 / 3 / (4 * (9 / 4) ** 2), 0]], atol=1e-12
    )
    assert len(tetrahedral_orders(around(shell), 2.9)) == 0


def test_square_and_line():
    square = 3 * np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    # Cosines: four 0, two -1.
    np.testing.assert_allclose(
        tetrahedral_orders(around(square), 3.5)[0, 1], 3 / 8 * (4 / 9 + 2 * 4 / 9), atol=1e-12
    )
    line = np.array([[2.4, 0, 0], [2.5, 0, 0], [2.6, 0, 0], [2.7, 0, 0]])
    np.testing.assert_allclose(tetrahedral_orders(around(line), 3.5)[0, 1], 4)  # the largest


def test_random_directions_have_mean_one():
    rng = np.random.default_rng(0)
    n = 20_000
    shell = rng.normal(size=(n, 4, 3))
    shell *= 3 / np.linalg.norm(shell, axis=-1, keepdims=True)
    centers = np.arange(n)[:, None, None] * np.array([20.0, 0, 0])
    pos = np.concatenate([centers, centers + shell], axis=1).reshape(-1, 3)
    index = np.arange(len(pos)).reshape(n, 5)
    pairs = neighbors(pos, index[:, 0], index[:, 1:].ravel(), 3.1, np.eye(3), np.zeros(3, dtype=bool))
    s_g = tetrahedral_orders(pairs, 3.1)[:, 1]
    assert len(s_g) == n
    assert abs(s_g.mean() - 1) < 4 * s_g.std() / np.sqrt(n)
    assert s_g.min() >= 0 and s_g.max() <= 4


def test_fifth_neighbor():
    distances = np.array([2.7, 2.9, 3.4, 2.8, 3.1, 4.0])
    shell = distances[:, None] * np.array([1.0, 0, 0])
    np.testing.assert_allclose(fifth_distance(around(shell)), [3.4])
    assert len(fifth_distance(around(shell[:4]))) == 0


def test_local_structure_index():
    distances = np.array([2.6, 2.7, 2.9, 3.5, 4.1, 6.0])
    shell = distances[:, None] * np.array([0, 1.0, 0])
    usual, published = np.var([0.1, 0.2, 0.6, 0.6]), np.var([0.1, 0.2, 0.6])
    np.testing.assert_allclose(local_structure_index(around(shell), 3.7), [usual])
    np.testing.assert_allclose(local_structure_index(around(shell), 3.7, last_gap=False), [published])
    # Nothing beyond the cutoff, one neighbour within, none within.
    assert len(local_structure_index(around(shell[:4]), 3.7)) == 0
    np.testing.assert_allclose(local_structure_index(around(shell[:4]), 3.7, last_gap=False), [published])
    np.testing.assert_allclose(local_structure_index(around(shell[[0, 4]]), 3.7), [0], atol=1e-12)
    assert len(local_structure_index(around(shell[[0, 4]]), 3.7, last_gap=False)) == 0
    assert len(local_structure_index(around(shell[4:]), 3.7)) == 0


def test_several_centers():
    chain = ase.Atoms("O4", positions=[[0, 0, 0], [2.5, 0, 0], [5.5, 0, 0], [9.5, 0, 0]]).positions
    every = np.arange(4)
    pairs = neighbors(chain, every, every, 10.0, np.eye(3), np.zeros(3, dtype=bool))
    # Gaps by centre: 3.0 | 0.5, 4.0 | 1.0, 1.5 with n = 1, 2, 1 and nothing within of the last.
    np.testing.assert_allclose(local_structure_index(pairs, 3.7), [0, np.var([0.5, 4.0]), 0])
