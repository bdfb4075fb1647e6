import numpy as np
import pytest

from torch_afm.io.scans import ScanStack, crop, crop_finished
from torch_afm.utils import InputError

STACK = ScanStack(np.arange(40.0).reshape(2, 4, 5), [2, 1], ((0.0, 4.0), (10.0, 13.0)))


def test_pixels_inside():
    found = crop(STACK, ((1.0, 3.4), (11.5, 99.0)))
    assert np.array_equal(found.values, STACK.values[:, 2:, 1:4])
    assert found.window == ((1.0, 3.0), (12.0, 13.0)) and np.array_equal(found.heights, [2, 1])
    assert np.array_equal(crop(STACK, STACK.window).values, STACK.values)


def test_bad_windows():
    nan = float("nan")
    for x, y in (((5, 6), (10, 13)), ((0, 4), (10.1, 10.9)), ((3, 1), (10, 13)), ((nan, 1), (10, 13))):
        with pytest.raises(InputError, match="window: "):
            crop(STACK, (x, y))


def unfinished(gaps):
    values = np.random.default_rng(0).normal(size=(2, 6, 4))
    for slice_, row, column in gaps:
        values[slice_, row, column] = np.nan
    return ScanStack(values, np.array([1.0, 0.0]), ((0.0, 3.0), (0.0, 5.0)))


def test_the_longest_run_of_whole_lines_is_left():
    stack = unfinished([(0, 1, 2), (1, 5, 0)])
    found = crop_finished(stack)
    np.testing.assert_array_equal(found.values, stack.values[:, 2:5])
    assert found.window == ((0.0, 3.0), (2.0, 4.0))


def test_curves_that_end_at_heights_of_their_own():
    """Each pixel reaches another height: heights go, not lines; what was never measured goes as lines."""
    values = np.random.default_rng(0).normal(size=(9, 6, 4))
    reached = np.random.default_rng(1).integers(5, 9, (6, 4))
    reached[2, 1] = 5
    there = np.arange(9)[:, None, None] < reached
    there[:, 5] = False
    stack = ScanStack(np.where(there, values, np.nan), -np.arange(9.0), ((0.0, 3.0), (0.0, 5.0)))
    found = crop_finished(stack)
    np.testing.assert_array_equal(found.values, values[:5, :5])
    assert found.heights.tolist() == [0, -1, -2, -3, -4] and found.window == ((0.0, 3.0), (0.0, 4.0))


def test_a_whole_scan_stays():
    stack = unfinished([])
    assert crop_finished(stack) is stack


def test_nothing_left():
    with pytest.raises(InputError, match="got none"):
        crop_finished(unfinished([(row % 2, row, 0) for row in range(6)]))
