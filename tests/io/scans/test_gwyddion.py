import numpy as np
import pytest

from tests.io.scans import files
from torch_afm.io.scans import read_scan
from torch_afm.utils import InputError

A, B, C = np.random.default_rng(3).normal(size=(3, 3, 4))


def _height(z):
    return {"Z-Controller>Z (m)": f"{z:g}", "Bias": "1 V"}


def _read(tmp_path, content, **options):
    path = tmp_path / "image.gwy"
    path.write_bytes(content)
    return read_scan(path, **options)


def test_slices_and_heights(tmp_path):
    fields = [
        ("OC M1 Freq. Shift", A, _height(7e-10)),
        ("Current", C, _height(7e-10)),
        ("OC M1 Freq. Shift [Backward]", C, _height(7e-10)),
        ("OC M1 Freq. Shift (Forward)", B, _height(8e-10)),
    ]
    stack = _read(tmp_path, files.gwy(fields))
    assert np.array_equal(stack.values, [B, A]) and stack.heights == pytest.approx([8, 7])
    assert stack.x == pytest.approx([2.5, 7.5, 12.5, 17.5]) and stack.unit == "Hz"
    assert stack.y == pytest.approx([-10 + 10 / 6, -5, -10 / 6])
    backward = _read(tmp_path, files.gwy(fields), direction="backward")
    assert np.array_equal(backward.values, C[None]) and backward.heights == pytest.approx([7])


def test_heights_given(tmp_path):
    content = files.gwy([("df", A, {}), ("df", B, {})])
    assert np.array_equal(_read(tmp_path, content, heights=[1.0, 2.0]).values, [B, A])


@pytest.mark.parametrize(
    ("unit", "factor"), [("m", 1e10), ("nm", 10.0), ("Å", 1.0), ("pm", 0.01), ("um", 1e4)]
)
def test_units_of_the_frame(tmp_path, unit, factor):
    """2e-9 units wide, in 4 pixels."""
    content = files.gwy([("df", A, _height(0))], unit_xy=unit)
    assert _read(tmp_path, content).x[1] == pytest.approx(0.75e-9 * factor)


@pytest.mark.parametrize("unit", ["px", ""])
def test_frames_in_pixels_tell_no_size(tmp_path, unit):
    content = files.gwy([("df", A, _height(0))], unit_xy=unit)
    with pytest.raises(InputError, match="pixel_size"):
        _read(tmp_path, content)
    assert _read(tmp_path, content, pixel_size=(0.5, 1.0)).pixel == pytest.approx((0.5, 1.0))


def test_what_gwyddion_keeps_of_the_header(tmp_path):
    meta = {
        "Z-Controller>Z": "-3.2 nm",
        "Oscillation Control>Amplitude Setpoint (m)": "8E-11",
        "Oscillation Control>Center Frequency": "30.3 kHz",
        "Z-Controller>Controller status": "OFF",
    }
    stack = _read(tmp_path, files.gwy([("df", A, meta)], unit_z="kHz"))
    assert stack.heights == pytest.approx([-32]) and stack.values[0] == pytest.approx(1000 * A)
    assert stack.meta["amplitude"] == pytest.approx(1.6) and stack.meta["f0"] == pytest.approx(30300)
    on = files.gwy([("df", A, meta | {"Z-Controller>Controller status": "ON"})])
    with pytest.raises(InputError, match="constant height"):
        _read(tmp_path, on)


def test_letters_of_windows(tmp_path):
    """Only what is needed is decoded, whatever it holds."""
    fields = [("df café", A, _height(7e-10) | {"Note": "3 µm"}), ("Current", B, {})]
    content = files.gwy(fields).replace("café".encode(), b"caf\xe9\0").replace("µ".encode(), b"\xb5\xb5")
    content = content.replace(b"caf\xe9\0\0", b"caf\xe9e\0")
    assert np.array_equal(_read(tmp_path, content, channel="df cafée").values[0], A)


def test_masks(tmp_path):
    """Whole lines under a mask were not measured; a mask on a part of a line may mean anything."""
    lines, part = np.zeros((2, 3, 4))
    lines[0] = 1
    part[1, 1:3] = 1
    found = _read(tmp_path, files.gwy([("df", A, _height(0))], masks=[lines]))
    assert np.isnan(found.values[0, 0]).all() and np.array_equal(found.values[0, 1:], A[1:])
    assert "warnings" not in found.meta
    found = _read(tmp_path, files.gwy([("df", A, _height(0))], masks=[part]))
    assert np.array_equal(found.values[0], A)
    assert found.meta["warnings"] == ["the mask of image 0 in image.gwy was not used"]
