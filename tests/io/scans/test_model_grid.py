"""Heights and pixels of a model on a scan whose values are a plane in x, y and height."""

import numpy as np
import pytest

from torch_afm.config import Scan
from torch_afm.io.scans import ScanStack
from torch_afm.io.scans.model_grid import (
    choose_heights,
    nearest_slices,
    network_slots,
    resample_to_pixels,
)
from torch_afm.utils import InputError

MODEL = Scan(window=((-2.0, 2.0), (-2.0, 2.0)), pixels=(17, 17), n_slices=5, dz=0.1, n_oscillation=10)


def scan(heights, n=41, side=10.0, **meta):
    """Values ``3 x - 2 y + 5 z`` on ``n`` x ``n`` pixels over ``side`` Å."""
    heights, axis = np.asarray(heights, dtype=float), np.linspace(0, side, n)
    values = 5 * heights[:, None, None] - 2 * axis[:, None] + 3 * axis
    window = ((0.0, side), (0.0, side))
    return ScanStack(values, heights, window, "Hz", "frequency shift", "forward", meta)


def test_heights_end_at_the_nearest_slice_or_begin_at_the_top_that_is_given():
    stack, warnings = scan(np.arange(10, -1, -1) / 10), []
    dz, heights = choose_heights(stack, MODEL, None, warnings)
    assert dz == pytest.approx(0.1) and np.allclose(heights, [0.4, 0.3, 0.2, 0.1, 0.0])
    assert np.allclose(choose_heights(stack, MODEL, 0.9, warnings)[1], [0.9, 0.8, 0.7, 0.6, 0.5])
    assert not warnings
    # Half the range is the least: 0.2 of 0.4 Å, in steps half as wide.
    dz, heights = choose_heights(scan([0.2, 0.1, 0.0]), MODEL, None, warnings)
    assert (
        dz == pytest.approx(0.05) and np.allclose(heights, [0.2, 0.15, 0.1, 0.05, 0.0]) and len(warnings) == 1
    )


def test_pixels_are_the_model_s_and_values_are_where_they_were():
    heights = np.array([0.9, 0.8, 0.7])
    for center, count in ((None, 41), ((5.0, 5.0), 17)):
        found = resample_to_pixels(scan(np.arange(10, -1, -1) / 10), MODEL, heights, center, [])
        assert found.values.shape == (3, count, count) and np.allclose(found.pixel_size, 0.25)
        expected = 5 * heights[:, None, None] - 2 * found.y[:, None] + 3 * found.x
        assert np.allclose(found.values, expected, atol=1e-9)


BAD = [
    (lambda: choose_heights(scan([0.1, 0.0]), MODEL, None, []), "heights"),
    (lambda: choose_heights(scan(np.arange(10, -1, -1) / 10), MODEL, 0.1, []), "top"),
    (lambda: resample_to_pixels(scan([0.1, 0.0], side=2.0), MODEL, np.array([0.1]), None, []), "scan"),
]


def test_bad_input_names_the_argument():
    for call, name in BAD:
        with pytest.raises(InputError, match=f"^{name}:"):
            call()


def test_the_nearest_measured_slices_are_those_within_reach():
    heights = np.array([3.0, 1.0, 0.55, 0.31, 0.2, 0.13, 0.0])
    stack, warnings = scan(heights), []
    # 0.4 Å of reach, and one slice beyond it to interpolate with.
    assert nearest_slices(stack, MODEL, None, warnings).heights.tolist() == [0.55, 0.31, 0.2, 0.13, 0.0]
    assert nearest_slices(stack, MODEL, 0.6, warnings).heights.tolist() == [0.55, 0.31, 0.2]
    assert not warnings
    # A gap of 2 Å cannot be interpolated over.
    found = nearest_slices(stack, MODEL, 1.2, warnings)
    assert found.heights.tolist() == [1.0] and "2.00 Å apart" in warnings[0]
    assert np.array_equal(found.values, stack.values[1:2])
    with pytest.raises(InputError, match=r"top: expected 0\.00 to 3\.00"):
        nearest_slices(stack, MODEL, 3.5, [])


def test_network_slots_lie_in_even_steps_above_the_nearest_slice():
    found = network_slots(scan([0.55, 0.31, 0.2, 0.13, 0.0]), MODEL)
    assert np.allclose(found.heights, [0.4, 0.3, 0.2, 0.1, 0.0])
    expected = 5 * found.heights[:, None, None] - 2 * found.y[:, None] + 3 * found.x
    assert np.allclose(found.values, expected)  # linear in the height
    single = network_slots(scan([7.0]), MODEL)
    assert single.heights.tolist() == [7.0] and np.array_equal(single.values, scan([7.0]).values)
    # No farther than half a step beyond what was measured.
    assert network_slots(scan([0.16, 0.0]), MODEL).heights.tolist() == [0.2, 0.1, 0.0]
    assert network_slots(scan([0.14, 0.0]), MODEL).heights.tolist() == [0.1, 0.0]


def test_scans_of_any_size_are_not_continued():
    wide = scan([0.0], n=20, side=4.2)
    for any_size, count in ((False, 17), (True, 16)):
        assert resample_to_pixels(wide, MODEL, wide.heights, None, [], any_size).values.shape[2] == count
    small, warnings = scan([0.0], n=20, side=3.9), []
    assert resample_to_pixels(small, MODEL, small.heights, None, [], False).values.shape[2] == 17
    assert resample_to_pixels(small, MODEL, small.heights, None, warnings, True).values.shape[2] == 16
    assert not warnings
