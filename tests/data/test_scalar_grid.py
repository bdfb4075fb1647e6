import numpy as np
import pytest

from torch_afm.data.scalar_grid import ScalarGrid


def test_points_and_indices_in_a_skewed_cell():
    cell = np.array([[4.0, 0, 0], [1.0, 3.0, 0], [0, 0, 5.0]])
    grid = ScalarGrid(np.ones((4, 6, 10)), np.array([1.0, 2.0, 3.0]), cell)
    points = grid.points()
    np.testing.assert_allclose(points[1, 2, 3], [1 + 1 + 1 / 3, 3, 4.5])
    np.testing.assert_allclose(grid.index(points[1, 2, 3][None]), [[1, 2, 3]])
    assert grid.integral == pytest.approx(60)
