"""The structure of Gwyddion's files, checked before anything reads them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from torch_afm.io.text import decode_bytes

#: Objects in objects, and components in one object, at most.
_DEPTH, _COMPONENTS = 16, 10_000

#: Bytes of plain components and of the items of arrays, and how NumPy and struct call them.
_PLAIN = {b"b": 1, b"c": 1, b"i": 4, b"q": 8, b"d": 8}
_FORMATS = {b"b": "<?", b"c": "<c", b"i": "<i", b"q": "<q", b"d": "<d"}
_ARRAYS = {b"I": 4, b"Q": 8, b"D": 8}


@dataclass(frozen=True)
class Component:
    """Where a component lies in the bytes of its file: its name, its type, where its contents begin, and its
    end."""

    name: str
    typecode: bytes
    start: int
    end: int


def components(data: bytes) -> list[Component]:
    """The components of the container in a ``.gwy`` file ("GWYP", then one object), everything in them
    checked to lie inside what holds it: lengths and ends of strings in a damaged file point anywhere. See
    "Gwyddion native format" in Gwyddion's user guide.

    Raises:
        ValueError: for anything that does not fit, and for arrays of characters, which no image has.
    """
    if data[:4] != b"GWYP":
        raise ValueError("no GWYP at its start")
    found, end = _object(data, 4, len(data), 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes after its end")
    return found


def value(data: bytes, part: Component) -> Any:
    """What a component holds: a number, a text, an array of numbers, or an object as a dictionary.

    Args:
        data: the bytes of the file.
        part: one of its :func:`components`.

    Raises:
        ValueError: for arrays of objects or texts.
    """
    start = part.start
    if part.typecode in _FORMATS:
        return struct.unpack_from(_FORMATS[part.typecode], data, start)[0]
    if part.typecode == b"s":
        return decode_bytes(data[start : part.end - 1])
    if part.typecode == b"o":
        inside, _ = _object(data, start, part.end, 1)
        # What an image is made of; lists of objects and texts hold nothing about it.
        return {p.name: value(data, p) for p in inside if p.typecode not in (b"S", b"O")}
    if part.typecode not in _ARRAYS:
        raise ValueError(f"{part.name}: a component of type {part.typecode!r}")
    dtype = {b"I": "<i4", b"Q": "<i8", b"D": "<f8"}[part.typecode]
    return np.frombuffer(data, dtype, (part.end - start - 4) // _ARRAYS[part.typecode], start + 4)


def _object(data: bytes, pos: int, end: int, depth: int) -> tuple[list[Component], int]:
    if depth > _DEPTH:
        raise ValueError(f"objects in more than {_DEPTH} objects")
    name = _string(data, pos, end)
    pos += len(name) + 1
    (size,) = struct.unpack("<I", _bytes(data, pos, 4, end))
    pos += 4
    if not name.isascii() or pos + size > end:
        raise ValueError(f"an object of {size} bytes where {end - pos} are left")
    stop = pos + size
    found: list[Component] = []
    while pos < stop:
        if len(found) == _COMPONENTS:
            raise ValueError(f"more than {_COMPONENTS} components in one object")
        key = _string(data, pos, stop)
        first = pos + len(key) + 1
        pos = _component(data, first, stop, depth)
        found.append(Component(decode_bytes(key), data[first : first + 1], first + 1, pos))
    return found, stop


def _component(data: bytes, pos: int, end: int, depth: int) -> int:
    """The end of a component whose type stands at ``pos``."""
    typecode = _bytes(data, pos, 1, end)
    pos += 1
    if typecode in _PLAIN:
        return pos + len(_bytes(data, pos, _PLAIN[typecode], end))
    if typecode == b"s":
        return pos + len(_string(data, pos, end)) + 1
    if typecode == b"o":
        return _object(data, pos, end, depth + 1)[1]
    if typecode not in (b"S", b"O", *_ARRAYS):
        raise ValueError(f"a component of type {typecode!r}")
    (count,) = struct.unpack("<I", _bytes(data, pos, 4, end))
    pos += 4
    if typecode in _ARRAYS:
        size = count * _ARRAYS[typecode]
        if size > end - pos:
            raise ValueError(f"an array of {size} bytes where {end - pos} are left")
        return pos + size
    if count > _COMPONENTS:
        raise ValueError(f"an array of {count} objects or strings")
    for _ in range(count):
        if typecode == b"S":
            pos += len(_string(data, pos, end)) + 1
        else:
            pos = _object(data, pos, end, depth + 1)[1]
    return pos


def _bytes(data: bytes, pos: int, size: int, end: int) -> bytes:
    if pos + size > end:
        raise ValueError("its end where more was to come")
    return data[pos : pos + size]


def _string(data: bytes, pos: int, end: int) -> bytes:
    stop = data.find(b"\0", pos, end)
    if stop < 0:
        raise ValueError("a string without an end")
    return data[pos:stop]
