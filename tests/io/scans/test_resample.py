import numpy as np
import pytest

from torch_afm.io.scans import resample
from torch_afm.utils import InputError

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
