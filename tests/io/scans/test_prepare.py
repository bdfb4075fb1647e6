import dataclasses

import numpy as np
import pytest

from torch_afm.config import Scan
from torch_afm.io.scans import ScanPreparation, ScanStack, prepare_scan
from torch_afm.utils import InputError

MODEL = Scan(window=((-4.0, 4.0), (-4.0, 4.0)), pixels=(33, 33), n_slices=5, dz=0.1)
FIXED = ScanPreparation(flatten="none", align="never")


def field(z, y, x):
    """Smooth, known everywhere, stronger when nearer."""
    return (
        (2 - np.asarray(z))[:, None, None]
        * np.cos(0.5 * np.asarray(x))
        * np.sin(0.4 * np.asarray(y))[:, None]
    )


def scan(heights, half=6.0, n=60, shift=(0.0, 0.0), **fields) -> ScanStack:
    axis = np.linspace(-half, half, n)
    values = field(heights, axis + shift[1], axis + shift[0])
    return ScanStack(values, np.asarray(heights), ((-half, half), (-half, half)), **fields)


HEIGHTS = np.linspace(1.0, 0.0, 11)


def test_the_nearest_heights_on_the_model_s_pixels():
    found = prepare_scan(scan(HEIGHTS), MODEL, FIXED)
    assert found.stack.pixel == pytest.approx((0.25, 0.25))
    assert found.stack.heights == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0])
    expected = field(found.stack.heights, found.stack.y, found.stack.x)
    np.testing.assert_allclose(found.stack.values, expected, atol=1e-3)
    assert found.scan.window == found.stack.window and found.scan.shape == found.stack.values.shape
    assert found.scan.dz == pytest.approx(0.1) and found.scan.n_oscillation == MODEL.n_oscillation
    # All of the scan is kept.
    assert found.scan.pixels[0] == 49 and not found.warnings
    # The outermost pixels are asked for their edges only where the model's 8 Å need it.
    edge = prepare_scan(scan(HEIGHTS, half=3.9, n=40), MODEL, FIXED)
    assert edge.scan.pixels == (33, 33) and edge.stack.x[0] == pytest.approx(-4.0)
    assert [name for name, _ in found.steps] == ["read", "pixels", "heights"]


def test_top_center_window_and_order():
    top = prepare_scan(scan(HEIGHTS), MODEL, dataclasses.replace(FIXED, top=0.8))
    assert top.stack.heights == pytest.approx([0.8, 0.7, 0.6, 0.5, 0.4])
    center = prepare_scan(scan(HEIGHTS), MODEL, dataclasses.replace(FIXED, center=(1.0, -1.5)))
    assert center.scan.pixels == (33, 33)
    assert np.mean(center.scan.window, axis=1) == pytest.approx([1.0, -1.5])
    window = prepare_scan(scan(HEIGHTS), MODEL, dataclasses.replace(FIXED, window=((-6, 0), (-3, 6))))
    assert window.stack.x[-1] <= 0.11 and window.stack.y[0] >= -3.11
    wrong = ScanStack(scan(HEIGHTS).values[::-1], HEIGHTS, ((-6.0, 6.0), (-6.0, 6.0)))
    assert any("the reverse" in w for w in prepare_scan(wrong, MODEL, FIXED).warnings)
    right = prepare_scan(wrong, MODEL, dataclasses.replace(FIXED, reverse=True))
    as_it_is = prepare_scan(scan(HEIGHTS), MODEL, FIXED)
    np.testing.assert_allclose(right.stack.values, as_it_is.stack.values, atol=1e-12)
    assert not right.warnings


def test_too_few_heights_get_smaller_steps_or_are_refused():
    found = prepare_scan(scan([0.3, 0.2, 0.1, 0.0]), MODEL, FIXED)
    assert found.scan.dz == pytest.approx(0.075) and found.scan.amplitude == pytest.approx(1.0, abs=0.04)
    assert found.stack.heights == pytest.approx([0.3, 0.225, 0.15, 0.075, 0.0])
    assert "spans 0.30 Å" in found.warnings[0]
    for heights in ([0.1, 0.0], [0.0]):
        with pytest.raises(InputError, match=r"heights: expected 0\.40 Å"):
            prepare_scan(scan(heights), MODEL, FIXED)
    with pytest.raises(InputError, match="heights"):
        prepare_scan(scan(HEIGHTS), MODEL, dataclasses.replace(FIXED, top=1.2))


def test_widely_spaced_heights_and_amplitude():
    found = prepare_scan(scan([0.8, 0.4, 0.0]), MODEL, dataclasses.replace(FIXED, amplitude=0.6))
    assert any("0.40 Å apart" in w for w in found.warnings) and found.scan.n_oscillation == 6


def test_tilt_and_drift_are_taken_out_and_told():
    stack = scan(HEIGHTS)
    tilted = stack.replace(values=stack.values + 0.3 * stack.x)
    found = prepare_scan(tilted, MODEL, dataclasses.replace(FIXED, flatten="plane"))
    plain = prepare_scan(stack, MODEL, dataclasses.replace(FIXED, flatten="plane"))
    np.testing.assert_allclose(found.stack.values, plain.stack.values, atol=1e-9)
    assert found.steps[1][0] == "plane" and "3.6" in found.steps[1][1]
    lines = prepare_scan(tilted, MODEL, dataclasses.replace(FIXED, flatten="lines"))
    assert lines.steps[1][0] == "lines"

    axis = np.linspace(-6, 6, 60)
    blobs = np.exp(-((axis - 1) ** 2) - (axis[:, None] + 0.5) ** 2) + np.exp(
        -((axis + 2) ** 2) - (axis[:, None] - 2) ** 2
    )
    for pixels, moved in ((14, True), (3, False)):
        drifted = np.stack([np.roll(blobs, round(pixels * i / 4), axis=1) for i in (0, 1, 2, 3, 4)])
        stack = ScanStack(drifted, np.linspace(0.4, 0, 5), ((-6.0, 6.0), (-6.0, 6.0)))
        auto = prepare_scan(stack, MODEL, dataclasses.replace(FIXED, align="auto"))
        (text,) = [t for name, t in auto.steps if name == "drift"]
        assert ("moved back" in text) == moved and f"{-pixels * 12 / 59:+.1f}" in text
        assert (auto.stack.values.shape[2] < 40) == moved


def test_drift_that_cannot_be_found_is_a_warning():
    noise = np.random.default_rng(0).normal(size=(11, 60, 60))
    stack = scan(HEIGHTS).replace(values=noise)
    found = prepare_scan(stack, MODEL, ScanPreparation())
    assert any("could not be found" in w for w in found.warnings)


def test_unfinished_lines_are_left_out():
    stack = scan(HEIGHTS)
    values = stack.values.copy()
    values[3, 50:] = np.nan
    found = prepare_scan(stack.replace(values=values), MODEL, FIXED)
    assert "10 of 60 lines" in found.warnings[0] and found.scan.pixels[1] < found.scan.pixels[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"flatten": "sphere"}, "flatten"),
        ({"align": "maybe"}, "align"),
        ({"window": ((0, 1), (0, 1)), "center": (0, 0)}, "got both"),
        ({"amplitude": -1.0}, "amplitude"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(InputError, match=message):
        ScanPreparation(**settings)


def test_scans_that_show_nothing_or_too_little():
    flat = scan(HEIGHTS)
    values = flat.values.copy()
    values[4] = 3.0
    with pytest.raises(InputError, match=r"got 1 without \(heights 0.6 Å\)"):
        prepare_scan(flat.replace(values=values), MODEL, FIXED)
    with pytest.raises(InputError, match=r"at least 4.0 Å in x, got 3.0"):
        prepare_scan(scan(HEIGHTS, half=1.5), MODEL, FIXED)
    with pytest.raises(InputError, match="positions within the scanned"):
        prepare_scan(scan(HEIGHTS), MODEL, dataclasses.replace(FIXED, center=(5.0, 0.0)))
