import numpy as np
import pytest

from torch_afm.io.scans import ScanStack, align_slices
from torch_afm.utils import InputError

#: Drift of each slice in pixels along y and x; the nearest has none.
DRIFT = np.array([[2.37, -3.81], [1.5, -2.25], [0.4, -0.6], [0.0, 0.0]])


def _atoms(dy, dx, seed=0):
    """Rings of bonds and atoms, as functions of the position, so that any shift of them is exact. They reach
    over the edge: what drifts out is lost and something else drifts in."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:64, 0:72].astype(float)
    image = np.zeros_like(x)
    for cy, cx, height in zip(
        rng.uniform(0, 64, 25), rng.uniform(0, 72, 25), rng.uniform(0.5, 1.5, 25), strict=True
    ):
        image += height * np.exp(-((y - cy - dy) ** 2 + (x - cx - dx) ** 2) / (2 * 3.0**2))
    return image


def _stack(noise=0.0, contrast=(0.4, 0.6, 0.8, 1.0), tilt=0.0):
    rng = np.random.default_rng(1)
    images = [c * _atoms(*d) for c, d in zip(contrast, DRIFT, strict=True)]
    values = np.stack(images) + noise * rng.normal(size=(4, 64, 72)) + tilt * np.arange(72)
    return ScanStack(values, [4.0, 3.0, 2.0, 1.0], ((0.0, 71.0), (0.0, 63.0)))


@pytest.mark.parametrize(
    ("noise", "tilt", "error"), [(0.0, 0.0, 0.02), (0.02, 0.0, 0.05), (0.1, 0.0, 0.15), (0.0, 0.02, 0.02)]
)
def test_known_drift_is_found(noise, tilt, error):
    """The contrast of the slices is 0.4 to 1, and errors add up over three pairs of them."""
    _, shifts = align_slices(_stack(noise, tilt=tilt))
    assert np.abs(shifts - DRIFT).max() < error


def test_slices_lie_on_each_other_and_are_cropped_to_what_all_show():
    stack, _ = align_slices(_stack(contrast=(1, 1, 1, 1)))
    # y drifts by 2.37 upwards, x by 3.81 to the left.
    assert stack.values.shape == (4, 64 - 3, 72 - 4) and stack.window == ((4.0, 71.0), (0.0, 60.0))
    want = _atoms(0, 0)[:61, 4:]
    assert np.array_equal(stack.values[3], want)
    # 0.05 pixels on slopes of up to 0.5 a pixel.
    assert np.abs(stack.values - want)[:, 2:-2, 2:-2].max() < 0.03
    assert np.asarray(stack.meta["drift_pixels"]) == pytest.approx(DRIFT, abs=0.05)


def test_no_drift():
    stack = ScanStack(np.stack([_atoms(0, 0)] * 2), [2.0, 1.0], ((0.0, 1.0), (0.0, 1.0)))
    aligned, shifts = align_slices(stack)
    assert not shifts.any() and np.array_equal(aligned.values, stack.values)


def test_bad_input():
    noise = np.random.default_rng(0).normal(size=(2, 32, 32))
    y, x = np.mgrid[0:16, 0:16]
    apart = np.stack([np.exp(-((y - c) ** 2 + (x - 8) ** 2) / 2) for c in (3, 8, 13)])
    for values in (np.zeros((2, 7, 20)), np.full((2, 9, 9), np.nan), noise, np.zeros((2, 32, 32)), apart):
        with pytest.raises(InputError, match="values: "):
            align_slices(ScanStack(values, -np.arange(len(values)), ((0.0, 1.0), (0.0, 1.0))))
