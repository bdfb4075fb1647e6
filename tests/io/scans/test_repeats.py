import numpy as np
import pytest

from torch_afm.io.scans import ScanStack, merge_repeats
from torch_afm.io.scans.repeats import repeated_heights
from torch_afm.utils import InputError

VALUES = np.random.default_rng(0).normal(size=(4, 2, 3))
STACK = ScanStack(
    VALUES,
    [2.0, 1.0, 1.0, 0.5],
    ((0.0, 2.0), (0.0, 1.0)),
    meta={"files": ["a", "b", "c", "d"], "times": [0.0, 10.0, 30.0, 20.0], "centers": [[0.0, 0.0]]},
)


def test_the_mean_of_images_at_one_height():
    merged = merge_repeats(STACK)
    assert merged.heights.tolist() == [2, 1, 0.5]
    np.testing.assert_allclose(merged.values, [VALUES[0], (VALUES[1] + VALUES[2]) / 2, VALUES[3]])
    assert merged.meta["files"] == ["a", "b + c", "d"] and merged.meta["times"] == [0.0, 20.0, 20.0]
    assert merged.meta["centers"] == [[0.0, 0.0]]


def test_the_first_or_the_last_in_time():
    for choice, index, name in (("first", 1, "b"), ("last", 2, "c")):
        merged = merge_repeats(STACK, choice)
        assert np.array_equal(merged.values[1], VALUES[index]) and merged.meta["files"][1] == name
    turned = STACK.reversed()
    assert np.array_equal(merge_repeats(turned, "first").values[1], VALUES[1])


def test_heights_of_sweeps_are_not_repeats():
    assert len(set(repeated_heights(-0.005 * np.arange(1000)))) == 1000
    assert len(set(repeated_heights(-0.001 * np.arange(13)))) == 13
    assert repeated_heights(np.array([1.0, 0.9991, 0.5])).tolist() == [0, 0, 1]
    assert repeated_heights(np.array([1.0, 1.0])).tolist() == [0, 0]
    single = STACK.keep_slices(np.array([True, True, False, True]))
    assert merge_repeats(single) is single and single.meta["files"] == ["a", "b", "d"]


def test_repeats_are_refused_where_each_height_counts_once():
    for use in (STACK.tensor, STACK.afm_stack, lambda: STACK.resample(STACK.x, STACK.y, [1.5])):
        with pytest.raises(InputError, match="got 1 Å twice; merge_repeats"):
            use()
    with pytest.raises(InputError, match="repeats: expected mean, first or last"):
        merge_repeats(STACK, "median")
