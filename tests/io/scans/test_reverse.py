import numpy as np

from torch_afm.io.scans import ScanStack, reverse


def test_heights_count_the_other_way():
    values = np.arange(24.0).reshape(2, 3, 4)
    stack = ScanStack(values, np.array([1.0, 0.5]), ((0, 3), (0, 2)), unit="V", meta={"a": 1})
    found = reverse(stack)
    np.testing.assert_array_equal(found.values, values[[1, 0]])
    np.testing.assert_array_equal(found.heights, [-0.5, -1.0])
    assert found.unit == "V" and found.meta == {"a": 1} and found.window == stack.window
    np.testing.assert_array_equal(reverse(found).values, values)
