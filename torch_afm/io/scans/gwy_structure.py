"""The structure of Gwyddion's files, checked before anything reads them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

#: Objects in objects, components in one object, and bytes times components that gwyfile copies, at most.
_DEPTH, _COMPONENTS, _WORK = 16, 10_000, 2**33

#: Bytes of plain components and of the items of arrays.
_PLAIN = {b"b": 1, b"c": 1, b"i": 4, b"q": 8, b"d": 8}
_ARRAYS = {b"I": 4, b"Q": 8, b"D": 8}


@dataclass(frozen=True)
class Component:
    """Where a component lies in the bytes of its file: its name, its type, its first byte and its end."""

    name: str
    typecode: bytes
    start: int
    end: int


def components(data: bytes) -> list[Component]:
    """The components of the container in a ``.gwy`` file ("GWYP", then one object), everything in them
    checked to lie inside what holds it.

    gwyfile follows lengths and ends of strings wherever they point: a damaged file makes it read for ever or
    take all memory. See "Gwyddion native format" in Gwyddion's user guide.

    Raises:
        ValueError: for anything that does not fit, and for arrays of characters, which gwyfile misreads.
    """
    if data[:4] != b"GWYP":
        raise ValueError("no GWYP at its start")
    found, end = _object(data, 4, len(data), 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes after its end")
    return found


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
        first = pos
        pos = _component(data, pos + len(key) + 1, stop, depth)
        typecode = data[first + len(key) + 1 : first + len(key) + 2]
        found.append(Component(key.decode("utf-8"), typecode, first, pos))
    if depth and size * len(found) > _WORK:
        raise ValueError(f"{len(found)} components in an object of {size} bytes")
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
