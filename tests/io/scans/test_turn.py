import numpy as np
import pytest

from torch_afm.io.scans import ScanStack, turn


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4, -1])
def test_a_spot_turns_with_the_scan(turns):
    """Each pixel's value is where the rotation matrix puts its position."""
    rng = np.random.default_rng(0)
    stack = ScanStack(rng.normal(size=(2, 3, 5)), np.array([1.0, 0.0]), ((1.0, 5.0), (-2.0, 3.0)))
    found = turn(stack, turns)
    middle = np.array([3.0, 0.5])
    angle = turns * np.pi / 2
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    for i, y in enumerate(stack.y):
        for j, x in enumerate(stack.x):
            u, v = matrix @ (np.array([x, y]) - middle) + middle
            column, row = np.abs(found.x - u).argmin(), np.abs(found.y - v).argmin()
            assert abs(found.x[column] - u) < 1e-9 and abs(found.y[row] - v) < 1e-9
            np.testing.assert_array_equal(found.values[:, row, column], stack.values[:, i, j])
