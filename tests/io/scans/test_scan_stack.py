import dataclasses

import numpy as np
import pytest
import torch

from torch_afm.config import Tip, to_dict
from torch_afm.io.scans import ScanStack
from torch_afm.io.scans.scan_stack import resample
from torch_afm.symmetry import Symmetry
from torch_afm.utils import InputError

WINDOW = ((-10.0, 10.0), (-12.0, 12.0))


def _field(z, y, x):
    return np.cos(0.4 * x) * np.sin(0.3 * y)[:, None] * np.exp(-0.5 * z)[:, None, None]


@pytest.fixture
def stack():
    z, y, x = np.linspace(8, 6, 21), np.linspace(-12, 12, 121), np.linspace(-10, 10, 101)
    return ScanStack(_field(z, y, x), z, WINDOW, meta={"file": "a"})


def test_other_positions(stack):
    """A known function is found on other pixels and heights."""
    x, y, heights = np.linspace(-8, 9, 32), np.linspace(-7, 8, 24), 7.3 - 0.1 * np.arange(10)
    made = stack.resample(x, y, heights)
    assert made.tensor().shape == (1, 1, 10, 24, 32) and made.tensor().dtype == torch.float32
    assert made.values == pytest.approx(_field(heights, y, x), abs=1e-6)
    assert made.window == ((-8, 9), (-7, 8)) and made.heights == pytest.approx(heights)
    assert torch.equal(made.tensor()[0, 0], torch.from_numpy(made.values).float())
    assert made.meta == {"file": "a"}


def test_nothing_is_extrapolated(stack):
    for name, change in (
        ("x", {"x": stack.x + 1}),
        ("y", {"y": stack.y - 1}),
        ("heights", {"heights": [9.0]}),
    ):
        wanted = {"x": stack.x, "y": stack.y, "heights": stack.heights} | change
        with pytest.raises(InputError, match=f"^{name}: "):
            stack.resample(**wanted)


def test_heights_count_the_other_way():
    values = np.arange(24.0).reshape(2, 3, 4)
    stack = ScanStack(values, np.array([1.0, 0.5]), ((0, 3), (0, 2)), unit="V", meta={"a": 1})
    found = stack.reversed()
    np.testing.assert_array_equal(found.values, values[[1, 0]])
    np.testing.assert_array_equal(found.heights, [-0.5, -1.0])
    assert found.unit == "V" and found.meta == {"a": 1} and found.window == stack.window
    np.testing.assert_array_equal(found.reversed().values, values)


@pytest.mark.parametrize("symmetry", Symmetry.group())
def test_a_spot_turns_with_the_scan(symmetry):
    """Each pixel's value is where the rotation matrix puts its position, x mirrored before."""
    rng = np.random.default_rng(0)
    tip = {"tip": to_dict(Tip(tilt=(0.3, 0.1)))}
    stack = ScanStack(rng.normal(size=(2, 3, 5)), np.array([1.0, 0.0]), ((1.0, 5.0), (-2.0, 3.0)), meta=tip)
    found = stack.turned(symmetry)
    middle = np.array([3.0, 0.5])
    angle = symmetry.turns * np.pi / 2
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = matrix @ np.diag([-1 if symmetry.mirror else 1, 1])
    for i, y in enumerate(stack.y):
        for j, x in enumerate(stack.x):
            u, v = matrix @ (np.array([x, y]) - middle) + middle
            column, row = np.abs(found.x - u).argmin(), np.abs(found.y - v).argmin()
            assert abs(found.x[column] - u) < 1e-9 and abs(found.y[row] - v) < 1e-9
            np.testing.assert_array_equal(found.values[:, row, column], stack.values[:, i, j])
    assert found.tip.tilt == pytest.approx(matrix @ [0.3, 0.1])


def test_afm_stack(stack):
    made = stack.afm_stack()
    assert made.stack.shape == (1, 21, 121, 101) and np.array_equal(made.z, stack.heights)
    assert made.meta == {"file": "a", "unit": "Hz", "channel": "frequency shift", "direction": "forward"}
    assert stack.pixel_size == pytest.approx((0.2, 0.2)) and made.x[1] - made.x[0] == pytest.approx(0.2)


def test_frozen(stack):
    with pytest.raises(dataclasses.FrozenInstanceError):
        stack.unit = "V"


def test_bad_input(stack):
    for name, bad in (
        ("values", np.zeros((3, 4))),
        ("values", np.full((21, 2, 2), np.inf)),
        ("heights", np.arange(21.0)),
        ("heights", np.full(21, np.nan)),
        ("heights", np.arange(3.0)),
        ("window", ((1.0, 1.0), (0.0, 1.0))),
        ("window", ((0.0, 1.0), (2.0, 1.0))),
        ("window", ((0.0, np.inf), (0.0, 1.0))),
        ("meta", {"tip": "CO"}),
    ):
        with pytest.raises(InputError, match=f"^{name}: "):
            stack.replace(**{name: bad})
    with pytest.raises(InputError, match="values: "):
        stack.replace(values=np.zeros((0, 4, 4)), heights=[])


Z, Y, X = np.array([3.0, 2.5, 2.1, 1.4, 1.0]), np.linspace(-1, 2, 7), np.linspace(0, 5, 9)


def _cubic(z, y, x):
    """Of degree 3 along each axis, so splines of that order have it exactly."""
    z, y, x = z[:, None, None], y[:, None], x
    return (1 + z - 0.3 * z**3) * (2 - y + y**3) + x**3 * y**2 - 4 * x * z**2


def test_polynomials_are_exact():
    """Between uneven heights too, and up to half a pixel outside."""
    new = np.array([3.0, 2.7, 1.0]), np.linspace(-1.24, 2.24, 6), np.linspace(-0.31, 5.31, 11)
    assert resample(_cubic(Z, Y, X), (Z, Y, X), new) == pytest.approx(_cubic(*new), abs=1e-10)


def test_error_falls_with_the_fourth_power():
    def error(n):
        axis, new = np.linspace(0, 3, n), np.linspace(0, 3, 50)
        wave = np.sin(2 * axis)[:, None] * np.cos(3 * axis)
        found = resample(wave[None], ([0.0], axis, axis), ([0.0], new, new))
        return np.abs(found[0] - np.sin(2 * new)[:, None] * np.cos(3 * new)).max()

    assert np.log2(error(41) / error(81)) > 3.8 and error(81) < 1e-4


def test_same_grid_is_the_identity():
    values = np.random.default_rng(0).normal(size=(5, 7, 9))
    assert resample(values, (Z, Y, X), (Z, Y, X)) == pytest.approx(values, abs=1e-12)


def test_axes_of_few_positions():
    two = np.array([2.0, 1.0])
    line = resample(np.array([4.0, 8.0])[:, None, None], (two, [0.0], [0.0]), ([1.5], [0.0], [0.0]))
    assert line == pytest.approx(6.0)


def test_nothing_is_made_up_outside():
    for new, name in (
        (([3.01], Y, X), "heights"),
        (([0.9], Y, X), "heights"),
        ((Z, Y - 0.3, X), "y"),
        ((Z, Y, X + 0.32), "x"),
        ((Z, Y, X * np.nan), "x"),
        ((Z, Y, X[:0]), "x"),
        # No memory is taken for more than can be meant: 8 TB here.
        (
            (np.broadcast_to(2.0, 10**4), np.broadcast_to(0.0, 10**4), np.broadcast_to(1.0, 10**4)),
            "heights, y, x",
        ),
    ):
        with pytest.raises(InputError, match=f"^{name}: "):
            resample(_cubic(Z, Y, X), (Z, Y, X), new)


def test_pixels_that_were_not_measured():
    values = _cubic(Z, Y, X)
    values[0, 0, :2] = np.nan
    with pytest.raises(InputError, match="got 2 pixels that were not measured"):
        resample(values, (Z, Y, X), (Z, Y, X))
