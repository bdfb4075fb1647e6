"""Images of Createc's STM/AFM software: ``.dat``."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from torch_afm.io.scans.scan_block import MAX_VALUES, ScanBlock, check_size, number, pick_channel, reading
from torch_afm.utils import InputError

#: Bytes of the header, which ends in "DATA".
_HEADER = 16384

#: First line, type of a value, unused bytes before the data (inside the compressed stream of the last).
_VERSIONS = {b"[Parameter]": ("<i2", 2), b"[Paramet32]": ("<f4", 4), b"[Paramco32]": ("<f4", 4)}

#: Channels by the bits of ``Channelselectval`` that every description agrees on.
_BITS = {0: "Z", 1: "Current"}


def is_createc(head: bytes) -> bool:
    """Whether a file that begins so is one of Createc's images."""
    return head[:11] in _VERSIONS


def read_createc(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """One image of a ``.dat`` file of Createc: 16384 bytes of ``key = value`` lines, then all channels, those
    of the forward direction first, the uppermost line first.

    The three formats of public descriptions (Gwyddion's importer, and readers of Createc's users): the first
    line ``[Parameter]`` announces int16, ``[Paramet32]`` float32, ``[Paramco32]`` float32 compressed by zlib
    (software versions 3 and 4 write the same layout).

    No description says which channel holds Δf or how it is scaled: values keep the unit ``DAC``, channels
    are called ``Z``, ``Current`` and ``ADC<bit>`` by the bits of ``Channelselectval``, or ``Channel<index>``
    where these do not fit; name one, and give ``scale``. Nor do they give the sign of ``CHModeZoff``, the
    offset of constant-height images in Å, which is kept in ``meta``: give ``heights``. The frame is centred
    at 0.

    Raises:
        InputError: for a damaged or truncated file, a missing channel.
    """
    with reading(path, "Createc image (.dat)"):
        with open(path, "rb") as file:
            head = file.read(_HEADER)
            kind, skip = _VERSIONS[head[:11]]
            if len(head) < _HEADER:
                raise InputError(f"{path}: expected a header of {_HEADER} bytes, got {len(head)}")
            header = _parse(head)
            nx, ny, n = (_count(path, header, key) for key in ("num.x", "num.y", "channels"))
            itemsize = np.dtype(kind).itemsize
            if not n * nx * ny <= MAX_VALUES:
                check_size(path, n * nx * ny, n * nx * ny)
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
    images = np.frombuffer(data, kind, n * nx * ny, skip).reshape(n, ny, nx)
    size = [number(path, key, header.get(key, "")) for key in ("length x[a]", "length y[a]")]
    meta: dict[str, str | float] = {
        name: header[key] for name, key in (("ch_mode", "chmode"), ("ch_zoff", "chmodezoff")) if key in header
    }
    return ScanBlock(
        values=images[chosen, ::-1].astype(np.float64)[None],
        heights=None,
        size=(size[0], size[1]),
        center=(0.0, 0.0),
        unit="DAC",
        channel=names[chosen],
        direction=direction,
        meta=meta | {"angle": number(path, "Rotation", header.get("rotation", 0))},
    )


def _parse(head: bytes) -> dict[str, str]:
    """Lines ``key = value`` or ``key / name shown = value``, by both, in small letters."""
    header: dict[str, str] = {}
    for line in head.decode("latin-1").replace("Å", "A").splitlines():
        names, equals, value = line.partition("=")
        if equals:
            for key in (names, *names.split(" / ")):
                header.setdefault(key.strip().lower(), value.strip())
    return header


def _count(path: Path, header: dict[str, str], key: str) -> int:
    text = header.get(key, "")
    if not (text.isdecimal() and text.isascii() and len(text) < 10 and int(text) > 0):
        raise InputError(f"{path}: {key}: expected a positive whole number, got {text[:80]!r}")
    return int(text)


def _channels(header: dict[str, str], n: int) -> tuple[list[str], list[str]]:
    """Names and directions of the ``n`` stored images."""
    text = header.get("channelselectval", "0")
    select = int(text) if text.isdecimal() and text.isascii() and len(text) < 10 else 0
    names = [_BITS.get(bit, f"ADC{bit}") for bit in range(32) if select >> bit & 1]
    if n not in (len(names), 2 * len(names)):
        both = header.get("scanmode") == "2" and n % 2 == 0
        names = [f"Channel{i}" for i in range(n // 2 if both else n)]
    rounds = n // len(names)
    return names * rounds, ["forward"] * len(names) + ["backward"] * (n - len(names))
