import dataclasses

import numpy as np
import pytest
from scipy import ndimage

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
    assert found.stack.pixel_size == pytest.approx((0.25, 0.25))
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
    assert [name for name, _ in found.steps] == ["read", "oscillation", "pixels", "heights"]


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
    right = prepare_scan(wrong.reversed(), MODEL, FIXED)
    as_it_is = prepare_scan(scan(HEIGHTS), MODEL, FIXED)
    np.testing.assert_allclose(right.stack.values, as_it_is.stack.values, atol=1e-12)
    # What was measured is told in the heights of the result.
    np.testing.assert_allclose(right.measured, -HEIGHTS[::-1])
    assert not right.warnings


def test_too_few_heights_get_smaller_steps_or_are_refused():
    found = prepare_scan(scan([0.3, 0.2, 0.1, 0.0]), MODEL, FIXED)
    assert found.scan.dz == pytest.approx(0.075) and found.scan.amplitude == pytest.approx(1.0, abs=0.04)
    assert found.stack.heights == pytest.approx([0.3, 0.225, 0.15, 0.075, 0.0])
    assert "spans 0.30 Å" in found.warnings[0]


def test_widely_spaced_heights():
    found = prepare_scan(scan([0.8, 0.4, 0.0]), MODEL, FIXED)
    assert any("0.40 Å apart, 2 of them are used" in w for w in found.warnings)


@pytest.mark.parametrize(
    ("meta", "given", "amplitude", "f0", "source"),
    [
        ({}, None, 1.0, MODEL.f0, "model"),
        ({"amplitude": 1.6, "f0": 25000.0}, None, 1.6, 25000.0, "header"),
        ({"amplitude": 1.6, "f0": 25000.0}, 0.6, 0.6, 25000.0, "given"),
    ],
)
def test_the_oscillation_is_that_of_the_header(meta, given, amplitude, f0, source):
    settings = dataclasses.replace(FIXED, amplitude=given)
    found = prepare_scan(scan(HEIGHTS, meta=meta | {"k": 1500.0}), MODEL, settings)
    assert found.scan.amplitude == pytest.approx(amplitude) and (found.scan.f0, found.scan.k) == (f0, 1500.0)
    text = dict(found.steps)["oscillation"]
    assert f"{amplitude:.2f} Å" in text and f"({source})" in text and f"{f0:.0f} Hz" in text
    # What was used goes with the stack.
    assert found.stack.meta["amplitude"] == pytest.approx(amplitude) and found.stack.meta["f0"] == f0
    assert not found.warnings


def test_oscillations_that_cannot_be_simulated():
    small = prepare_scan(scan(HEIGHTS, meta={"amplitude": 0.1, "f0": 0.0}), MODEL, FIXED)
    assert small.scan.amplitude == pytest.approx(0.2) and small.scan.f0 == MODEL.f0
    assert any("0.10 Å is simulated as 0.20 Å" in w for w in small.warnings)
    assert any("f0 0" in w for w in small.warnings)


def test_what_the_reader_and_the_header_say_is_told():
    meta = {"angle": 41.0, "z_spread": 0.3, "warnings": ["a line of the reader"]}
    found = prepare_scan(scan(HEIGHTS, meta=meta), MODEL, FIXED)
    assert "turned by 41°" in found.steps[0][1] and found.warnings[0] == "a line of the reader"
    assert any("differ by 0.30 Å" in w for w in found.warnings)
    steady = prepare_scan(scan(HEIGHTS, meta={"z_spread": 0.05}), MODEL, FIXED)
    assert not steady.warnings


def test_scans_smaller_and_coarser_than_the_model():
    found = prepare_scan(scan(HEIGHTS, half=3.0, n=40), MODEL, FIXED)
    assert ["the scan is 6.2 x 6.2 Å wide, the network looks at 8 x 8 Å" in w for w in found.warnings] == [
        True
    ]
    coarse = prepare_scan(scan(HEIGHTS, n=13), MODEL, FIXED)
    assert ["1.00 Å wide, those of the model 0.25 Å" in w for w in coarse.warnings] == [True]


def test_scans_far_from_the_origin():
    """Piezos reach micrometers; positions there would have few digits left."""
    stack = scan(HEIGHTS)
    far = stack.replace(window=((-20_006.3, -19_994.3), (4_994.0, 5_006.0)))
    found = prepare_scan(far, MODEL, FIXED)
    assert found.stack.window == pytest.approx(np.array(((-6.3, 5.7), (-6.0, 6.0))), abs=1e-9)
    assert found.stack.meta["origin"] == [-20_000.0, 5_000.0] and found.scan.window == found.stack.window
    assert "-20000, 5000 Å" in dict(found.steps)["frame"]
    np.testing.assert_allclose(found.stack.values, prepare_scan(stack, MODEL, FIXED).stack.values, atol=1e-9)
    # Places are asked for in the frame of the file.
    place = dataclasses.replace(FIXED, center=(-20_000.3, 5_001.0))
    found = prepare_scan(far, MODEL, place)
    assert np.mean(found.stack.window, axis=1) + found.stack.meta["origin"] == pytest.approx(
        [-20_000.3, 5_001.0]
    )


def test_another_top_takes_other_slices_of_the_same_and_changed_values_are_seen():
    stack = scan(HEIGHTS)
    whole, lower = (prepare_scan(stack, MODEL, ScanPreparation(top=top)) for top in (1.0, 0.9))
    np.testing.assert_allclose(whole.stack.values[1:], lower.stack.values[:-1], atol=1e-12)
    stack.values[:] *= 2
    twice = prepare_scan(stack, MODEL, ScanPreparation(top=0.9))
    np.testing.assert_allclose(twice.stack.values, 2 * lower.stack.values, atol=1e-9)


def test_curves_that_end_early_lose_heights():
    stack = scan(HEIGHTS)
    values = stack.values.copy()
    values[9:, ::2, ::3] = np.nan
    found = prepare_scan(stack.replace(values=values), MODEL, FIXED)
    assert found.stack.heights == pytest.approx([0.6, 0.5, 0.4, 0.3, 0.2])
    assert found.warnings[0] == "2 of 11 heights (left: 1.00 to 0.20 Å) were left out as not finished"


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
    for step, moved in ((3.5, True), (0.2, False)):
        drifted = np.stack([ndimage.shift(blobs, (0, step * i)) for i in range(5)])
        stack = ScanStack(drifted, np.linspace(0.4, 0, 5), ((-6.0, 6.0), (-6.0, 6.0)))
        auto = prepare_scan(stack, MODEL, dataclasses.replace(FIXED, align="auto"))
        (text,) = [t for name, t in auto.steps if name == "drift"]
        assert ("moved back" in text) == moved and f"by {step * 12 / 59:+.2f}" in text
        assert ("no more than a pixel" in text) == (not moved)
        assert (auto.stack.values.shape[2] < 40) == moved
        assert any("as if they had drifted" in w for w in auto.warnings) == moved


def test_a_leap_between_two_slices_is_left():
    """Contrast that turns over as the tip comes nearer looks so: bright atoms, like the margin before."""
    axis = np.linspace(-8, 8, 81)
    blobs = np.exp(-((axis - 1) ** 2) - (axis[:, None] + 0.5) ** 2) + np.exp(
        -((axis + 2) ** 2) - (axis[:, None] - 2) ** 2
    )
    leapt = np.roll(blobs, 15, axis=1)
    stack = ScanStack(np.stack([blobs] * 3 + [leapt] * 2), np.linspace(0.4, 0, 5), ((-8.0, 8.0),) * 2)
    for align in ("auto", "always", "never"):
        found = prepare_scan(stack, MODEL, dataclasses.replace(FIXED, align=align))
        assert found.scan.pixels[0] >= 64
        assert any("3.0 Å at once" in w for w in found.warnings) == (align != "never")


def test_drift_of_a_series_down_and_up_is_sure():
    """Times and images of one height tell it; what is taken for one slice then lies on itself."""
    axis = np.linspace(-8, 8, 81)
    blobs = np.exp(-((axis - 1) ** 2) - (axis[:, None] + 0.5) ** 2) + np.exp(
        -((axis + 2) ** 2) - (axis[:, None] - 2) ** 2
    )
    level = np.array([0, 1, 2, 3, 4, 3, 2, 1, 0])
    order = np.argsort(level, kind="stable")
    images = np.stack([ndimage.shift(blobs, (-0.5 * i, i)) for i in range(9)])
    meta = {"times": (60.0 * order).tolist()}
    stack = ScanStack(images[order], (4 - level[order]) / 10, ((-8.0, 8.0),) * 2, meta=meta)
    found = prepare_scan(stack, MODEL, dataclasses.replace(FIXED, align="auto"))
    steps = dict(found.steps)
    assert "by +0.200, -0.100 ±" in steps["drift"] and "pairs of images of one height" in steps["drift"]
    assert "moved back" in steps["drift"] and not any("as if they had drifted" in w for w in found.warnings)
    assert found.stack.meta["drift"]["same_height"] and len(found.stack.values) == MODEL.n_slices
    assert np.abs(found.stack.values - found.stack.values[:1]).max() < 0.02


def test_a_periodic_image_is_a_warning():
    x = np.linspace(-8, 8, 81)
    lattice = np.cos(2 * np.pi * x / 2.5) + np.cos(2 * np.pi * x[:, None] / 2.5)
    stack = ScanStack(np.stack([lattice] * 5), np.linspace(0.4, 0, 5), ((-8.0, 8.0),) * 2)
    found = prepare_scan(stack, MODEL, dataclasses.replace(FIXED, align="auto"))
    assert any("the image is periodic (every 2.5" in w for w in found.warnings)


@pytest.mark.parametrize(("sign", "doubted"), [(-1, False), (1, True)])
def test_bright_molecules_far_away_are_a_warning(sign, doubted):
    """Attraction makes Δf more negative."""
    axis = np.linspace(-6, 6, 60)
    blob = np.exp(-(axis**2 + axis[:, None] ** 2) / 4)
    noise = 0.1 * np.random.default_rng(0).normal(size=(11, 60, 60))
    found = prepare_scan(scan(HEIGHTS).replace(values=sign * blob + noise, unit="V"), MODEL, FIXED)
    assert any("sign may be turned" in w for w in found.warnings) == doubted


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
    # Where too little is left, that is why.
    values[:, 5:] = np.nan
    with pytest.raises(InputError, match="55 of 60 lines were left out as not finished"):
        prepare_scan(stack.replace(values=values), MODEL, FIXED)


def _wide(n):
    """Nothing but a frame: its pixels take no memory."""
    return ScanStack(np.broadcast_to(np.eye(n), (11, n, n)), HEIGHTS, ((0.0, n - 1.0), (0.0, n - 1.0)))


def _flat(index, value):
    stack = scan(HEIGHTS)
    values = stack.values.copy()
    values[index] = value
    return stack.replace(values=values)


#: A scan, how it is prepared, and what the error names.
BAD = [
    (scan([0.1, 0.0]), {}, "heights: expected 0.40 Å"),
    (scan([0.0]), {}, "heights: expected images at several heights, got a single one; the model looks at 5"),
    (scan([30.0, 20.0, 10.0]), {}, "heights: expected at least 2 measured slices"),
    (ScanStack(np.zeros((11, 1, 1)), HEIGHTS, ((0, 0), (0, 0))), {}, "stack: expected images, got one curve"),
    (scan(HEIGHTS), {"top": 1.2}, "top: expected 0.20 to 1.00 Å"),
    (scan(HEIGHTS), {"top": 0.1}, "top: expected 0.20 to 1.00 Å"),
    (scan(HEIGHTS), {"amplitude": 100.0}, "amplitude: expected at most 20.0 Å"),
    (scan(HEIGHTS, unit="m", channel="Z"), {}, "channel: expected the frequency shift, got 'Z' in m"),
    (_flat(slice(None), np.nan), {}, "values: expected measured ones"),
    (_flat(4, 3.0), {}, "values: expected images with contrast, got 1 without (heights 0.6 Å)"),
    (scan(HEIGHTS, half=1.5), {}, "scan: expected at least 4.0 Å in x, got 3.05 Å; were nm meant"),
    (scan(HEIGHTS), {"center": (5.0, 0.0)}, "x: expected positions within the scanned"),
    # Picometers given as Å: 128 pixels of 12.6 pm.
    (scan(HEIGHTS, half=800.0, n=128), {}, "were pm meant for Å, it is 0.126 Å"),
    (_wide(600), {}, "window: expected at most 46 x 46 nm, got a scan 59.9 nm wide"),
]


def test_scans_that_are_refused():
    for stack, settings, words in BAD:
        with pytest.raises(InputError) as error:
            prepare_scan(stack, MODEL, dataclasses.replace(FIXED, **settings))
            pytest.fail(f"{words}: was prepared")
        assert words in str(error.value)
    # A part of a large scan is no large scan.
    part = dataclasses.replace(FIXED, window=((0.0, 20.0), (0.0, 20.0)))
    assert prepare_scan(_wide(600), MODEL, part).scan.pixels == (81, 81)


def test_whole_scans_keep_the_slices_that_were_measured():
    heights = np.array([1.0, 0.3, 0.12, 0.0])
    found = prepare_scan(scan(heights), MODEL, FIXED, whole=True)
    assert found.stack.heights == pytest.approx([0.3, 0.2, 0.1, 0.0]) and found.scan.n_slices == 4
    assert found.scan.shape == found.stack.values.shape and found.scan.dz == MODEL.dz
    middle = field([0.3, 0.12], found.stack.y, found.stack.x)
    np.testing.assert_allclose(found.stack.values[1], (8 * middle[0] + 10 * middle[1]) / 18, atol=1e-3)
    assert found.amplitude == 0 and "0.70 Å apart" in found.warnings[0]
    single = prepare_scan(scan([0.5], meta={"amplitude": 0.6}), MODEL, FIXED, whole=True)
    assert single.scan.n_slices == 1 and single.amplitude == pytest.approx(0.6)
    given = prepare_scan(scan([0.5]), MODEL, dataclasses.replace(FIXED, amplitude=0.8), whole=True)
    assert given.amplitude == pytest.approx(0.8) and given.scan.amplitude == pytest.approx(0.8)
    # Smaller than the model's window: as it is, and nothing to warn of.
    small = prepare_scan(scan(HEIGHTS, half=2.5, n=30), MODEL, FIXED, whole=True)
    assert small.scan.pixels == (20, 20) and not small.warnings


def test_heights_of_a_tip_that_followed_the_surface():
    for unit, channel in (("m", "Z"), ("DAC", "Topography"), ("DAC", "Z")):
        with pytest.raises(InputError, match="heights of a tip that followed the surface"):
            prepare_scan(scan(HEIGHTS, unit=unit, channel=channel), MODEL, FIXED)
