"""Images of Createc's STM/AFM software: ``.dat``."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from torch_afm.io.scans.registry import scan_reader
from torch_afm.io.scans.scan_block import (
    MAX_VALUES,
    ScanBlock,
    check_size,
    parse_number,
    pick_channel,
    reading,
)
from torch_afm.utils import InputError

#: Bytes of the header, which ends in "DATA"; where it was shortened, fewer.
_HEADER = 16384

#: First line, type of a value, unused bytes before the data (inside the compressed stream of the last).
_VERSIONS = {b"[Parameter]": ("<i2", 2), b"[Paramet32]": ("<f4", 4), b"[Paramco32]": ("<f4", 4)}

#: Channels by the bits of ``Channelselectval`` that every description agrees on.
_BITS = {0: "Z", 1: "Current"}

#: Channels of the phase-locked loop, where it was on.
_PLL = {7: "Frequency shift", 8: "Excitation", 9: "Amplitude"}
_CONCLUDED = (
    "one program alone tells which channel of Createc's files holds Δf: bit 7 was taken for it, in Hz, as "
    "the phase-locked loop was on; where that is wrong, give channel and scale"
)


@scan_reader("createc", suffixes=(".dat",), magic=tuple(_VERSIONS))
def read_createc(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """One image of a ``.dat`` file of Createc: ``key = value`` lines up to "DATA", 16384 bytes as a rule,
    then all channels, those of the forward direction first, the uppermost line first.

    The three formats of public descriptions (Gwyddion's importer, and readers of Createc's users): the first
    line ``[Parameter]`` announces int16, ``[Paramet32]`` float32, ``[Paramco32]`` float32 compressed by zlib
    (software versions 3 and 4 write the same layout).

    The channels of the phase-locked loop, where that was on (``PLLOn``), are bits 7, 8 and 9 of
    ``Channelselectval``, as SpectraFox has them: Δf in Hz, excitation and amplitude. The descriptions do not
    tell; a measured file agrees, in which Δf was held at -7 Hz (its ``FBLogIset`` is 700) and bit 7 is -7.002
    ± 0.062; ``meta["warnings"]`` says so. All other values keep the unit ``DAC``, and channels are called
    ``Z``, ``Current`` and ``ADC<bit>`` by the bits, or ``Channel<index>`` where these do not fit; name one,
    and give ``scale``. Nor do the descriptions give the sign of ``CHModeZoff``, the offset of constant-height
    images in Å, which is kept in ``meta``: give ``heights``. The height was controlled where ``CHMode`` is 0.
    Lines that were not scanned, which the file holds as zeros in every channel, are NaN. The middle of the
    frame is ``-Scanrotoffx``, ``-Scanrotoffy``, in steps of ``Dacto[A]xy`` times ``GainX``, ``GainY``, as
    public readers have it; the product is what ``Length x[A]`` is of ``Num.X`` times ``Delta X`` in a
    measured file.

    Raises:
        InputError: for a damaged or truncated file, a missing channel.
    """
    with reading(path, "Createc image (.dat)"):
        with open(path, "rb") as file:
            head = file.read(_HEADER)
            dtype, skip = _VERSIONS[head[:11]]
            header = parse_header(head)
            nx, ny, n = (_count(path, header, key) for key in ("num.x", "num.y", "channels"))
            itemsize = np.dtype(dtype).itemsize
            if not n * nx * ny <= MAX_VALUES:
                check_size(path, n * nx * ny, n * nx * ny)
            file.seek(_begin(path, head))
            needed = skip + n * nx * ny * itemsize
            if head.startswith(b"[Paramco32]"):
                # Never more than what is needed, however much the stream could expand to.
                data = zlib.decompressobj().decompress(file.read(needed + 2**20), needed)
            else:
                data = file.read(needed)
        check_size(path, n * nx * ny, (len(data) - skip) // itemsize)
    names, ways = _channels(header, n)
    mine = [i for i in range(n) if ways[i] == direction]
    chosen = mine[pick_channel(path, [names[i] for i in mine], channel)]
    images = np.frombuffer(data, dtype, n * nx * ny, skip).reshape(n, ny, nx)
    image = np.where(_unmeasured(path, images), np.nan, images[chosen])
    size = [parse_number(path, key, header.get(key, "")) for key in ("length x[a]", "length y[a]")]
    meta: dict[str, Any] = {
        name: header[key] for name, key in (("ch_mode", "chmode"), ("ch_zoff", "chmodezoff")) if key in header
    }
    if "chmode" in header and header.get("fboff", "0") == "0":
        meta["feedback"] = "ON" if header["chmode"] == "0" else "OFF"
    if header.get("pllon") == "1" and "pllcenterfreq" in header:
        meta["f0"] = parse_number(path, "PLLCenterFreq", header["pllcenterfreq"])
    x, y = frame_center(path, header)
    known = names[chosen] == _PLL[7]
    if known:
        meta["warnings"] = [_CONCLUDED]
    return ScanBlock(
        values=image[None, ::-1],
        heights=None,
        size=(size[0], size[1]),
        center=(x, y),
        unit="Hz" if known else "DAC",
        channel=names[chosen],
        direction=direction,
        meta=meta | {"angle": parse_number(path, "Rotation", header.get("rotation", 0))},
        channels=tuple(dict.fromkeys(names)),
    )


def _begin(path: Path, head: bytes) -> int:
    """Where the data begin: behind the last "DATA" of the header, for a compressed file behind the last one
    that a stream of zlib follows (RFC 1950: the method 8, two bytes that are a multiple of 31)."""
    compressed = head.startswith(b"[Paramco32]")
    if not compressed and head[-4:] == b"DATA" and len(head) == _HEADER:
        return _HEADER
    for found in reversed(list(re.finditer(b"DATA", head))):
        start = head[found.end() : found.end() + 2]
        if (
            not compressed
            or len(start) < 2
            or (start[0] & 15 == 8 and int.from_bytes(start, "big") % 31 == 0)
        ):
            return found.end()
    raise InputError(f"{path}: expected a header that ends in DATA, got none within {len(head)} bytes")


def _unmeasured(path: Path, images: np.ndarray) -> np.ndarray:
    """Where nothing was measured ``[Y, X]``: the lines at an edge that are zero in every channel, and what is
    zero of the line that was being scanned."""
    zero = (images == 0).all(axis=0)
    scanned = np.flatnonzero(~zero.all(axis=1))
    if not len(scanned):
        raise InputError(f"{path}: expected at least one line that was scanned, got zeros")
    first, last = scanned[0], scanned[-1]
    missing = np.zeros_like(zero)
    missing[:first] = missing[last + 1 :] = True
    if first > 0:
        missing[first] = zero[first]
    if last < len(zero) - 1:
        missing[last] |= zero[last]
    return missing


def parse_header(head: bytes) -> dict[str, str]:
    """Lines ``key = value`` or ``key / name shown = value``, by both, in small letters."""
    header: dict[str, str] = {}
    for line in head.decode("latin-1").replace("Å", "A").splitlines():
        names, equals, value = line.partition("=")
        if equals:
            for key in (names, *names.split(" / ")):
                header.setdefault(key.strip().lower(), value.strip())
    return header


def dac_steps(path: Path, header: dict[str, str]) -> tuple[float, float]:
    """Å in x and y of one step of the digital-to-analog converters."""
    step = parse_number(path, "Dacto[A]xy", header.get("dacto[a]xy", 0))
    x, y = (step * parse_number(path, key, header.get(key, 1)) for key in ("gainx", "gainy"))
    return x, y


def frame_center(path: Path, header: dict[str, str]) -> tuple[float, float]:
    """The middle of the frame of images in Å."""
    steps, offsets = dac_steps(path, header), ("scanrotoffx", "scanrotoffy")
    x, y = (
        0.0 - step * parse_number(path, key, header.get(key, 0))
        for step, key in zip(steps, offsets, strict=True)
    )
    return x, y


def _count(path: Path, header: dict[str, str], key: str) -> int:
    text = header.get(key, "")
    if not (text.isdecimal() and text.isascii() and len(text) < 10 and int(text) > 0):
        raise InputError(f"{path}: {key}: expected a positive whole number, got {text[:80]!r}")
    return int(text)


def _channels(header: dict[str, str], n: int) -> tuple[list[str], list[str]]:
    """Names and directions of the ``n`` stored images."""
    text = header.get("channelselectval", "0")
    select = int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else 0
    bits = _BITS | _PLL if header.get("pllon") == "1" else _BITS
    names = [bits.get(bit, f"ADC{bit}") for bit in range(32) if select >> bit & 1]
    if n not in (len(names), 2 * len(names)):
        both = header.get("scanmode") == "2" and n % 2 == 0
        names = [f"Channel{i}" for i in range(n // 2 if both else n)]
    rounds = n // len(names)
    return names * rounds, ["forward"] * len(names) + ["backward"] * (n - len(names))
