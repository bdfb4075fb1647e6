import struct

import numpy as np
import pytest

from tests.io.scans import files
from torch_afm.io.scans import read_scan
from torch_afm.io.scans.readers.gwyddion import components, value
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
    assert _read(tmp_path, content, pixel_size=(0.5, 1.0)).pixel_size == pytest.approx((0.5, 1.0))


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


def _object(name, *parts):
    body = b"".join(parts)
    return name + b"\0" + struct.pack("<I", len(body)) + body


def _gwy(*parts):
    return b"GWYP" + _object(b"GwyContainer", *parts)


def test_structure_against_the_description():
    inner = _object(b"GwyX", b"n\0i" + struct.pack("<i", 3), b"a\0D" + struct.pack("<I2d", 2, 1, 2))
    strings = b"t\0S" + struct.pack("<I", 2) + b"u\0vw\0"
    data = _gwy(b"s\0sword\0", b"o\0o" + inner, strings, b"b\0b\1", b"q\0q" + bytes(8))
    found = components(data)
    assert [(c.name, c.typecode) for c in found] == list(
        zip("sotbq", [b"s", b"o", b"S", b"b", b"q"], strict=True)
    )
    read = {c.name: value(data, c) for c in found if c.name != "t"}
    assert (read["s"], read["b"], read["q"]) == ("word", True, 0)
    assert read["o"]["n"] == 3 and read["o"]["a"].tolist() == [1, 2]


BAD = {
    "nothing": b"",
    "not gwy": b"GWYQ" + bytes(20),
    "a string without an end": _gwy(b"s\0sword"),
    "a name without an end": _gwy(b"name"),
    "an object too long": _gwy(b"o\0oGwyX\0" + struct.pack("<I", 2**32 - 1)),
    "an array too long": _gwy(b"a\0D" + struct.pack("<I", 2**32 - 1)),
    "strings without end": _gwy(b"t\0S" + struct.pack("<I", 2**32 - 1)),
    "objects without end": _gwy(b"t\0O" + struct.pack("<I", 2**32 - 1)),
    "characters": _gwy(b"c\0C" + struct.pack("<I", 3) + b"abc"),
    "unknown type": _gwy(b"c\0x"),
    "no type": _gwy(b"c\0"),
    "many components": _gwy(b"\0b\1" * 20_000),
    "bytes after": _gwy() + b"x",
}


def test_bad_structure(tmp_path):
    for name, content in BAD.items():
        with pytest.raises((ValueError, struct.error)):
            components(content)
            pytest.fail(name)
        with pytest.raises(InputError, match=r"image\.gwy.*damaged") as error:
            _read(tmp_path, content)
        assert "\n" not in str(error.value)


def test_depth(tmp_path):
    content = b"x\0b\1"
    for _ in range(5000):
        content = b"o\0o" + _object(b"G", content)
    with pytest.raises(InputError, match="objects in more than"):
        _read(tmp_path, _gwy(content))
