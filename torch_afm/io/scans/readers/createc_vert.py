"""Spectra of Createc's STM/AFM software: ``.VERT``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from torch_afm.io.scans.readers.createc import dac_steps, frame_center, parse_header
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

#: Bytes in which a header must end, and of a file at most.
_HEADER, _MAX_TEXT = 2**17, 2**25

#: First lines of the versions that are read -> columns between the number of the point and the channels.
_VERSIONS = {b"[ParVERT30]": 2, b"[ParVERT32]": 3}

#: First line of older versions.
_OLD = b"[Parameter]"

#: Channels by the bits of the list that stands above the table.
_BITS = (
    "Current",
    "dI/dV",
    "d2I/dV2",
    "ADC0",
    "ADC1",
    "ADC2",
    "ADC3",
    "Frequency shift",
    "Excitation",
    "Amplitude",
    "dI/dV out of phase",
    "d2I/dV2 out of phase",
    "DAC0",
)
_PLL = "Frequency shift"

#: mV by which the bias of a sweep of z may change.
_BIAS = 1.0

_CAUTIONS = (
    "heights count from where each curve was begun, and are taken to fall where the column of z rises, as "
    "programs of Createc's users have it",
    "the channel of Δf is bit 7, in Hz, as one program of Createc's users has it; where that is wrong, give "
    "channel and scale",
)


@scan_reader("createc spectrum", suffixes=(".vert",), magic=(*_VERSIONS, _OLD))
def read_createc_vert(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """A Δf(z) curve of a ``.VERT`` file: one pixel. A folder of them makes a stack where the points form a
    grid.

    Lines ``key = value`` up to ``DATA``, a line of numbers (points, position, channels by bits), then a
    table: the number of the point, the bias in mV, z in mV, a third column in ``[ParVERT32]``, and the
    channels. So SpectraFox, ProbeFlow and stspy have it, and the height, which is ``-ZPiezoconst`` [Å/V]
    times z: positive z leads to the surface (stspy, stmspectra, and a script that drops atoms from the tip).
    Bit 7 holds Δf in Hz (SpectraFox; the same bit as in images). All other values keep the unit ``DAC``:
    give ``scale``. Positions count from the middle of the frame of images, to the right and downwards, in
    steps as :func:`torch_afm.io.scans.readers.createc.dac_steps` has them (SpectraFox; another reader counts
    upwards). Where ``VertSpecBack`` is not 0, the second of the passes is the backward one.

    Not known: the meaning of the third column, units of excitation and amplitude, and the height at which a
    curve was begun; ``meta["warnings"]`` says what was concluded. ``[Parameter]``, of older versions, is
    refused: the descriptions differ in its z.

    Raises:
        InputError: for a damaged file, a sweep of the bias or of time, one with the controller of the height
            on, a missing channel or direction.
    """
    with reading(path, "Createc spectrum (.VERT)"):
        if path.stat().st_size > _MAX_TEXT:
            raise InputError(f"{path}: expected at most {_MAX_TEXT} bytes of text, got {path.stat().st_size}")
        content = path.read_bytes()
        version = next((first for first in _VERSIONS if content.startswith(first)), None)
        if version is None:
            raise InputError(
                f"{path}: expected a Createc spectrum of version 3 or 4 (its first line is "
                f"{' or '.join(first.decode() for first in _VERSIONS)}), got an older or a damaged one"
            )
        found = re.search(rb"DATA\r?\n", content[:_HEADER])
        if found is None:
            raise InputError(f"{path}: expected a header that ends in DATA, got none within {_HEADER} bytes")
        header = parse_header(content[: found.start()])
        above, *rows = [
            line for line in content[found.end() :].decode("latin-1").splitlines() if line.strip()
        ]
        points, x, y, code, *more = _numbers(path, above)
        names = [name for bit, name in enumerate(_BITS) if code >> bit & 1]
        if header.get("pllon") == "0":
            names = ["ADC7" if name == _PLL else name for name in names]
        check_size(path, len(rows), MAX_VALUES)
        table = np.loadtxt([row.replace(",", ".") for row in rows], ndmin=2)
        # The seventh number, where there is one, is that of the columns before the channels.
        first = 1 + (more[2] if more[2:] and version == b"[ParVERT32]" else _VERSIONS[version])
        if table.shape[1] != first + len(names) or not 3 <= first <= 4 or code >> len(_BITS):
            raise InputError(
                f"{path}: expected a table of {first + len(names)} columns as its list of channels says, got "
                f"{table.shape[1]}"
            )
        if not 0 < len(table) <= points:
            raise InputError(f"{path}: expected {points} points as its header says, got {len(table)}")
        chosen = pick_channel(path, names, channel)
        table = table[_pass(path, header, points, direction)]
        heights = _heights(path, header, table)
        meta: dict[str, Any] = {"bias": float(table[0, 1]) / 1000}
        meta["angle"] = parse_number(path, "Rotation", header.get("rotation", 0))
        if header.get("pllon") == "1" and "pllcenterfreq" in header:
            meta["f0"] = parse_number(path, "PLLCenterFreq", header["pllcenterfreq"])
        known = names[chosen] == _PLL
        meta["warnings"] = list(_CAUTIONS if known else _CAUTIONS[:1])
        steps, middle = dac_steps(path, header), frame_center(path, header)
        return ScanBlock(
            values=table[:, first + chosen, None, None],
            heights=heights,
            size=(0.0, 0.0),
            center=(middle[0] + steps[0] * x, middle[1] - steps[1] * y),
            unit="Hz" if known else "DAC",
            channel=names[chosen],
            direction=direction,
            meta=meta,
            channels=tuple(names),
        )


def _numbers(path: Path, line: str) -> list[int]:
    """Points, position and channels of a spectrum, and whole numbers that may follow."""
    found = re.match(r"\s*\d{1,8}(\s+-?\d{1,9}){3,8}(?!\S)", line)
    numbers = [int(text) for text in found[0].split()] if found else []
    if not numbers or numbers[3] < 0:
        raise InputError(f"{path}: expected points, position and channels below DATA, got {line[:80]!r}")
    return numbers


def _pass(path: Path, header: dict[str, str], points: int, direction: str) -> slice:
    """The rows of the first pass, or of the one that leads back."""
    text = header.get("vertspecback", "0")
    back = int(text) if text.isdecimal() and text.isascii() and len(text) < 4 else -1
    if back < 0:
        raise InputError(f"{path}: VertSpecBack: expected a number of passes, got {text[:80]!r}")
    length = points // (back + 1)
    if direction == "forward":
        return slice(0, length)
    if not back:
        raise InputError(f"direction: expected 'forward', the only one of {path}, got {direction!r}")
    return slice(length, 2 * length)


def _heights(path: Path, header: dict[str, str], table: np.ndarray) -> np.ndarray:
    """Heights in Å of the points of a sweep of z."""
    if not len(table):
        raise InputError(f"{path}: expected a sweep that was begun, got no points of it")
    bias, z = table[:, 1], table[:, 2]
    if not np.ptp(bias) <= _BIAS:
        raise InputError(
            f"{path}: expected a sweep of z at one bias, got one of the bias, {bias.min():g} to "
            f"{bias.max():g} mV"
        )
    if not np.ptp(z) > 0:
        raise InputError(f"{path}: expected a sweep of z, got a curve at one height")
    mode = header.get("vertfbmode", "4")
    if mode != "4":
        raise InputError(
            f"{path}: VertFBMode: expected 4, the controller of the height off, got {mode[:80]!r}"
        )
    piezo = parse_number(path, "ZPiezoconst", header.get("zpiezoconst", ""))
    if piezo <= 0:
        raise InputError(f"{path}: ZPiezoconst: expected a positive number of Å/V, got {piezo:g}")
    return 0.0 - z * piezo / 1000
