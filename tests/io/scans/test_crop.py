import numpy as np
import pytest

from torch_afm.io.scans import ScanStack, crop
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
