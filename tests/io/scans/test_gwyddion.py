import struct

import numpy as np
import pytest

from tests.io.scans import files
from torch_afm.io.scans import read_scan
from torch_afm.io.scans.gwy_structure import components
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
    with pytest.raises(InputError, match="give heights"):
        _read(tmp_path, content)
    assert np.array_equal(_read(tmp_path, content, heights=[1.0, 2.0]).values, [B, A])


def _object(name, *parts):
    body = b"".join(parts)
    return name + b"\0" + struct.pack("<I", len(body)) + body


def _gwy(*parts):
    return b"GWYP" + _object(b"GwyContainer", *parts)


def test_structure_against_the_description():
    inner = _object(b"GwyX", b"n\0i" + struct.pack("<i", 3), b"a\0D" + struct.pack("<I2d", 2, 1, 2))
    strings = b"t\0S" + struct.pack("<I", 2) + b"u\0vw\0"
    found = components(_gwy(b"s\0sword\0", b"o\0o" + inner, strings, b"b\0b\1", b"q\0q" + bytes(8)))
    assert [(c.name, c.typecode) for c in found] == list(
        zip("sotbq", [b"s", b"o", b"S", b"b", b"q"], strict=True)
    )


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


@pytest.mark.parametrize("name", BAD)
def test_bad_structure(tmp_path, name):
    with pytest.raises((ValueError, struct.error)):
        components(BAD[name])
    with pytest.raises(InputError, match=r"image\.gwy.*damaged") as error:
        _read(tmp_path, BAD[name])
    assert "\n" not in str(error.value)


def test_depth(tmp_path):
    content = b"x\0b\1"
    for _ in range(5000):
        content = b"o\0o" + _object(b"G", content)
    with pytest.raises(InputError, match="objects in more than"):
        _read(tmp_path, _gwy(content))


def test_resolution_that_does_not_fit(tmp_path):
    content = files.gwy([("df", A, _height(0))])
    wrong = content.replace(b"xres\0i" + struct.pack("<i", 4), b"xres\0i" + struct.pack("<i", 2**30))
    assert wrong != content
    with pytest.raises(InputError, match="damaged"):
        _read(tmp_path, wrong)
    with pytest.raises(InputError, match="one size and place"):
        _read(tmp_path, files.gwy([("df", A, _height(0)), ("df", A[:2], _height(1))]))
