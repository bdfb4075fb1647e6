import io
import struct
from datetime import UTC, datetime

import gwyfile.objects as g
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


def _filled(image, mask, fill=None):
    """As Gwyddion's imports leave it: the mean of the others in place of what was not measured."""
    return np.where(mask, image[~mask].mean() if fill is None else fill, image)


def _masked(tmp_path, image, mask):
    return _read(tmp_path, files.gwy([("df", image, _height(0))], masks=[mask.astype(float)]))


def test_lines_that_were_not_measured(tmp_path):
    lines = np.zeros((3, 4), bool)
    lines[0] = True
    found = _masked(tmp_path, A, lines)
    assert np.isnan(found.values[0, 0]).all() and np.array_equal(found.values[0, 1:], A[1:])
    assert "warnings" not in found.meta


IMAGE = np.random.default_rng(5).normal(size=(20, 30))
PART = np.zeros((20, 30), bool)
PART[:4], PART[4, 11:] = True, True  # as where a scan was stopped
SPOTS = np.random.default_rng(6).random((20, 30)) < 0.02
ONE = np.zeros((20, 30), bool)
ONE[3, 4] = True


@pytest.mark.parametrize("mask", [PART, SPOTS, ONE], ids=["part of a line", "spots", "one pixel"])
def test_pixels_that_were_not_measured(tmp_path, mask):
    """They have the mean of the others, wherever they are."""
    found = _masked(tmp_path, _filled(IMAGE, mask), mask)
    assert np.array_equal(np.isnan(found.values[0]), mask) and "warnings" not in found.meta
    assert np.array_equal(found.values[0][~mask], IMAGE[~mask])


def test_pixels_that_were_not_measured_in_an_image_that_was_leveled(tmp_path):
    """A plane and the offsets of lines taken out of the pixels that were filled in, too."""
    y, x = np.mgrid[:20, :30]
    plane, offsets = 0.013 * x - 0.2 * y + 3, np.random.default_rng(7).normal(size=(20, 1))
    found = _masked(tmp_path, _filled(IMAGE, PART) - plane - offsets, PART)
    assert np.array_equal(np.isnan(found.values[0]), PART) and "warnings" not in found.meta


def test_masks_of_something_else(tmp_path):
    """Grains, and a single pixel of another value than the mean: these were measured."""
    grains = IMAGE > 0.8
    for mask in (grains, ONE):
        found = _masked(tmp_path, IMAGE, mask)
        assert np.array_equal(found.values[0], IMAGE)
        (warning,) = found.meta["warnings"]
        assert warning.startswith("the mask of image 0 in image.gwy was not used")


def test_pixels_that_are_not_finite_under_a_mask(tmp_path):
    image = np.where(SPOTS, np.nan, IMAGE)
    found = _masked(tmp_path, image, SPOTS)
    assert np.array_equal(np.isnan(found.values[0]), SPOTS) and "warnings" not in found.meta


def _placed(meta, log=None):
    """A frame of 20 x 10 Å whose lower left corner, or upper left one, is at 3, 4 nm."""
    container = g.GwyContainer()
    container["/0/data"] = g.GwyDataField(
        A, xreal=2e-9, yreal=1e-9, xoff=3e-9, yoff=4e-9, si_unit_xy="m", si_unit_z="Hz"
    )
    container["/0/data/title"] = "OC M1 Freq. Shift (Forward)"
    container.typecodes["/0/data/title"] = "s"
    container["/0/meta"] = g.GwyContainer(dict(meta), dict.fromkeys(meta, "s"))
    if log is not None:
        container["/0/data/log"] = g.GwyObject("GwyStringList", {"strings": log}, {"strings": "S"})
    buffer = io.BytesIO()
    container.tofile(buffer)
    return buffer.getvalue()


def test_the_place_of_an_image(tmp_path):
    """Gwyddion's y runs downwards from the upper left corner."""
    found = _read(tmp_path, _placed({"Z-Controller>Z": "1 nm"}))
    assert found.meta["center"] == pytest.approx([40, -45]) and "warnings" not in found.meta


NANONIS = {
    "Z-Controller::Z (m)": "-3.2E-9",
    "Oscillation Control::Amplitude Setpoint (m)": "8E-11",
    "Oscillation Control::Center Frequency (Hz)": "3.03E+4",
    "Z-Controller::Controller status": "OFF",
    "Date": "15.03.2017",
    "Time": "17:29:17",
    "Acquistion time": "120 s",
}
IMPORT = 'file::nanonis(filename="/data/A170315.sxm")@2017-03-15T20:00:00Z'


def test_the_place_of_an_image_from_nanonis(tmp_path):
    """nanonis.c of Gwyddion 2.61: xoff, yoff = SCAN_OFFSET - SCAN_RANGE / 2, the images turned as on the
    screen; so y stays upwards and the center is SCAN_OFFSET."""
    for content in (_placed(NANONIS), _placed({}, [IMPORT])):
        found = _read(tmp_path, content, **({} if content == _placed(NANONIS) else {"heights": [0.0]}))
        assert found.meta["center"] == pytest.approx([40, 45])
        assert np.array_equal(found.values[0], A[::-1])
    cropped = _placed(NANONIS, [IMPORT, "tool::GwyToolCrop(x=0, y=1)@2017-03-15T20:01:00Z"])
    (warning,) = _read(tmp_path, cropped).meta["warnings"]
    assert "cropped in Gwyddion" in warning


def test_what_nanonis_says_in_gwyddions_names(tmp_path):
    found = _read(tmp_path, _placed(NANONIS))
    assert found.heights == pytest.approx([-32])
    assert found.meta["amplitude"] == pytest.approx(1.6) and found.meta["f0"] == pytest.approx(30300)
    assert found.meta["times"] == [datetime(2017, 3, 15, 17, 30, 17, tzinfo=UTC).timestamp()]


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
        with pytest.raises(InputError, match=r"image\.gwy.*(damaged|empty)") as error:
            _read(tmp_path, content)
        assert "\n" not in str(error.value)


def test_depth(tmp_path):
    content = b"x\0b\1"
    for _ in range(5000):
        content = b"o\0o" + _object(b"G", content)
    with pytest.raises(InputError, match="objects in more than"):
        _read(tmp_path, _gwy(content))
