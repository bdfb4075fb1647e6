import struct

import pytest

from torch_afm.io.scans import read_scan
from torch_afm.io.scans.gwy_structure import components, value
from torch_afm.utils import InputError


def _read(tmp_path, content):
    path = tmp_path / "image.gwy"
    path.write_bytes(content)
    return read_scan(path)


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
