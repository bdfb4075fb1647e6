"""Images of Gwyddion: ``.gwy``, whose structure is checked before anything reads it."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from torch_afm.io.files import decode_bytes
from torch_afm.io.scans.readers.nanonis import parse_time, settings
from torch_afm.io.scans.registry import scan_reader
from torch_afm.io.scans.scan_block import (
    MAX_VALUES,
    ScanBlock,
    check_size,
    compare_settings,
    parse_number,
    parse_quantity,
    pick_channel,
    plain_name,
    reading,
    split_unit,
    unit_factor,
)
from torch_afm.units import ANGSTROM_PER_M
from torch_afm.utils import InputError

#: Objects in objects, and components in one object, at most.
_DEPTH, _COMPONENTS = 16, 10_000

#: Bytes of plain components and of the items of arrays, and how NumPy and struct call them.
_PLAIN = {b"b": 1, b"c": 1, b"i": 4, b"q": 8, b"d": 8}
_FORMATS = {b"b": "<?", b"c": "<c", b"i": "<i", b"q": "<q", b"d": "<d"}
_ARRAYS = {b"I": 4, b"Q": 8, b"D": 8}

#: Directions in titles.
_BACKWARD = re.compile(r"[\[(]?\b(backward|bwd|retrace)\b[\])]?", re.IGNORECASE)
_FORWARD = re.compile(r"[\[(]?\b(forward|fwd|trace)\b[\])]?", re.IGNORECASE)

#: Heights at the end of titles, as :func:`torch_afm.io.write_stack` writes them.
_AT_HEIGHT = re.compile(r"\s*\(z = \S+ Å\)$")

#: Names of metadata that Gwyddion's import of Nanonis' files makes: "::" where the header has ">".
_NANONIS = re.compile(r"(Z-Controller|Oscillation Control|Bias|Current|Scan)::")

#: Share of the contrast of an image by which values that were filled in may miss a line.
_FILLED = 1e-6


@scan_reader("gwy", suffixes=(".gwy",), magic=(b"GWYP",))
def read_gwy(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """All images of one channel in a ``.gwy`` file, in the order of their numbers, all of one size.

    An image's channel is its title ("OC M1 Freq. Shift [Backward]"), without the direction; titles that name
    none are forward. Heights are ``Z-Controller>Z`` of the metadata where each image has it; oscillation and
    controller are those that Gwyddion keeps of Nanonis' headers, and of a single image the time. Gwyddion's
    first line is the uppermost, and its y runs downwards, but for the place of images that it took from
    Nanonis, whose import (nanonis.c, Gwyddion 2.61) leaves y as it is. Frames in px, or without a unit, tell
    no size.

    Gwyddion knows no pixels that were not measured: its imports fill them with the mean of the others, and
    put a mask on them. Pixels under a mask are NaN where that may be so: in whole lines, and where their
    values are even, whatever plane or offset of lines was taken out since. Other masks, of grains for one,
    are not used, and ``meta["warnings"]`` says so.

    Raises:
        InputError: for a damaged or truncated file, a missing channel, images of different sizes or settings,
            frames in another unit than one of length.
    """
    with reading(path, "Gwyddion file (.gwy)"):
        if path.stat().st_size > 16 * MAX_VALUES:
            raise InputError(f"{path}: expected at most {16 * MAX_VALUES} bytes, got {path.stat().st_size}")
        data = path.read_bytes()
        parts = {part.name: part for part in components(data)}
        found = sorted(int(m[1]) for name in parts if (m := re.fullmatch(r"/(\d{1,9})/data", name)))
        titles = {
            i: str(value(data, parts[f"/{i}/data/title"])) if f"/{i}/data/title" in parts else f"Channel {i}"
            for i in found
        }
        mine = [i for i in found if bool(_BACKWARD.search(titles[i])) == (direction == "backward")]
        names = {i: _FORWARD.sub("", _BACKWARD.sub("", _AT_HEIGHT.sub("", titles[i]))).strip() for i in mine}
        distinct = list(dict.fromkeys(names.values()))
        chosen = distinct[pick_channel(path, distinct, channel)]
        images: list[np.ndarray] = []
        heights: list[float] = []
        frames, units, recorded = [], [], []
        warnings = []
        for i in (i for i in mine if names[i] == chosen):
            field = value(data, parts[f"/{i}/data"])
            image = _image(field)
            check_size(path, image.size * (len(images) + 1), MAX_VALUES)
            if f"/{i}/mask" in parts:
                masked = _image(value(data, parts[f"/{i}/mask"])) > 0.5
                missing = _filled(image, masked)
                image = np.where(missing, np.nan, image)
                if (masked & ~missing).any():
                    warnings.append(
                        f"the mask of image {i} in {path.name} was not used: the pixels that it covers "
                        "differ, so they were measured"
                    )
            images.append(image)
            units.append(_unit(field, "si_unit_z"))
            meta = value(data, parts[f"/{i}/meta"]) if f"/{i}/meta" in parts else {}
            log = data[parts[key].start : parts[key].end] if (key := f"/{i}/data/log") in parts else b""
            upwards = b"file::nanonis(" in log or any(_NANONIS.match(name) for name in meta)
            if upwards and b"GwyToolCrop" in log:
                warnings.append(
                    f"image {i} in {path.name} comes from Nanonis and was cropped in Gwyddion, which loses "
                    "its place along y"
                )
            frames.append(_frame(path, field, upwards))
            heights += _height(meta)
            recorded.append(settings(path, meta))
            times = _times(meta)
        if len({v.shape for v in images}) != 1 or not np.allclose(
            frames, frames[0], rtol=1e-3, equal_nan=True
        ):
            raise InputError(
                f"{path}: expected images of {chosen!r} of one size and place, got different ones"
            )
        if len(set(units)) != 1:
            raise InputError(f"{path}: expected one unit for {chosen!r}, got {', '.join(sorted(set(units)))}")
        for i, other in enumerate(recorded):
            if reason := compare_settings(("its first image", recorded[0]), other):
                raise InputError(f"{path}: image {i + 1} of {chosen!r}: {reason}")
        meta = dict(recorded[0]) | (times if len(images) == 1 else {})
        if any(m.get("feedback") == "ON" for m in recorded):
            meta["feedback"] = "ON"
        width, height, x, y = frames[0]
        sized = np.isfinite(frames[0]).all()
        return ScanBlock(
            values=np.stack(images),
            heights=np.array(heights) if len(heights) == len(images) else None,
            size=(width, height) if sized else None,
            center=(x, y) if sized else (0.0, 0.0),
            unit=units[0],
            channel=chosen,
            direction=direction,
            meta=meta | ({"warnings": warnings} if warnings else {}),
            channels=tuple(distinct),
        )


def _image(field: dict[str, Any]) -> np.ndarray:
    """The numbers of a data field, the lowest line first."""
    shape = int(field["yres"]), int(field["xres"])
    if min(shape) < 1:
        raise ValueError(f"an image of {shape[1]} x {shape[0]} pixels")
    return np.asarray(field["data"], dtype=np.float64).reshape(shape)[::-1]


def _unit(field: dict[str, Any], key: str) -> str:
    return str(field.get(key, {}).get("unitstr", "")).strip()


def _frame(path: Path, field: dict[str, Any], upwards: bool) -> tuple[float, float, float, float]:
    """Width, height and middle of a data field in Å; NaN where it has no unit or is in pixels. ``upwards``:
    its y counts upwards, from the lower edge."""
    unit = _unit(field, "si_unit_xy")
    if unit.lower() in ("", "px", "pixel", "pixels"):
        return (np.nan,) * 4
    factor = unit_factor(unit, "m")
    if factor is None:
        raise InputError(f"{path}: expected a frame in a unit of length, got {unit[:80]!r}; give pixel_size")
    width, height, x, y = (
        parse_number(path, key, field.get(key, 0)) * factor * ANGSTROM_PER_M
        for key in ("xreal", "yreal", "xoff", "yoff")
    )
    return width, height, x + width / 2, (y + height / 2) * (1 if upwards else -1)


def _filled(image: np.ndarray, masked: np.ndarray) -> np.ndarray:
    """Which pixels under a mask were filled in. They were all given one value; planes and offsets of lines
    that were taken out since left the steps from one to the next the same."""
    whole = masked & masked.all(axis=1, keepdims=True)
    rest = masked & ~whole & np.isfinite(image)
    known = image[~masked & np.isfinite(image)]
    tolerance = _FILLED * float(np.ptp(known)) if len(known) else 0.0
    values = image[rest]
    pairs = rest[:, 1:] & rest[:, :-1]
    steps = np.diff(image, axis=1)[pairs]
    even = len(values) > 1 and np.ptp(values) <= tolerance
    even |= len(values) == 1 and len(known) > 0 and abs(values[0] - known.mean()) <= tolerance
    even |= len(steps) > 2 and np.ptp(steps) <= tolerance
    return masked if even else masked & ~rest


def _times(meta: dict[str, Any]) -> dict[str, float]:
    """When an image from Nanonis was begun and how long it took, as far as its metadata tell."""
    begun = parse_time(f"{meta.get('Date', '')} {meta.get('Time', '')}")
    took = parse_quantity(meta.get("Acquistion time", ""), "s", "s")  # spelled so by Gwyddion
    return ({} if begun is None else {"time": begun}) | ({} if took is None else {"duration": took})


def _height(meta: dict[str, Any]) -> list[float]:
    """The height of the tip in Å, in a list, or an empty one where it is not told."""
    for name, text in meta.items():
        bare, unit = split_unit(name)
        if plain_name(bare) == plain_name("Z-Controller>Z"):
            z = parse_quantity(text, unit, "m")
            return [] if z is None else [z * ANGSTROM_PER_M]
    return []


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
