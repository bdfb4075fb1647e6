"""Spectra of Nanonis, ``.dat`` and ``.3ds``, and the headers that all its files share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from torch_afm.io.files import decode_bytes
from torch_afm.io.scans.registry import scan_reader
from torch_afm.io.scans.scan_block import (
    ScanBlock,
    check_size,
    parse_number,
    parse_quantity,
    pick_channel,
    plain_name,
    reading,
    split_unit,
)
from torch_afm.units import ANGSTROM_PER_M
from torch_afm.utils import InputError

#: Bytes in which a header must end.
_HEADER = 2**22

#: Settings that are kept: their names in headers, their units, and what they are multiplied by.
_SETTINGS = {
    "amplitude": ("Oscillation Control>Amplitude Setpoint", "m", 2 * ANGSTROM_PER_M),
    "f0": ("Oscillation Control>Center Frequency", "Hz", 1.0),
    "bias": ("Bias>Bias", "V", 1.0),
}

#: Bytes of text at most.
_MAX_TEXT = 2**25

#: Points of a grid for each that was measured, at most, in one that was stopped: no damaged file of a few
#: bytes shall take much memory.
_MAX_MISSING = 1000


def header_lines(path: Path, end: str) -> tuple[list[str], int]:
    """The lines of a text header up to the one that holds ``end``, and the byte after that line. Lines end in
    CRLF or LF: editors and version control turn one into the other.

    Raises:
        InputError: where there is no such line.
    """
    with open(path, "rb") as file:
        head = file.read(_HEADER)
    at = head.find(end.encode())
    stop = head.find(b"\n", at)
    if at < 0 or stop < 0:
        raise InputError(f"{path}: expected a header that ends in {end}, got none")
    begin = head.rfind(b"\n", 0, at) + 1
    return [line.rstrip("\r") for line in decode_bytes(head[:begin]).split("\n")], stop + 1


def entry(path: Path, header: Mapping[str, str], key: str) -> str:
    """What a header says under ``key``.

    Raises:
        InputError: where it says nothing: no place or height is ever made up.
    """
    if key not in header:
        raise InputError(f"{path}: expected {key} in its header, got none")
    return header[key]


def settings(path: Path, header: Mapping[str, Any]) -> dict[str, float | str]:
    """Oscillation amplitude [Å, peak to peak; headers tell half of it], resonance frequency [Hz] and bias [V]
    of a header, and whether the height was controlled, as far as it tells.

    Raises:
        InputError: where one of these is no number in a unit that is known.
    """
    found: dict[str, float | str] = {}
    wanted = {plain_name(name): (key, unit, factor) for key, (name, unit, factor) in _SETTINGS.items()}
    for name, text in header.items():
        bare, unit = split_unit(name)
        if plain_name(bare) in wanted:
            key, base, factor = wanted[plain_name(bare)]
            value = parse_quantity(text, unit, base)
            if value is None:
                raise InputError(
                    f"{path}: {name}: expected a finite number in {base}, got {str(text)[:80]!r}"
                )
            found[key] = value * factor
        elif plain_name(name) == plain_name("Z-Controller>Controller status"):
            found["feedback"] = str(text).strip().upper()
    return found


@scan_reader("3ds", suffixes=(".3ds",))
def read_3ds(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """A volume out of a grid of Δf(z) curves: a text header, then for each pixel its parameters and its
    channels as float32, most significant byte first; the lowest line comes first.

    Heights run from ``Sweep Start`` to ``Sweep End``, which must be the same at every pixel, since a stack
    has constant heights. Backward sweeps are channels marked ``[bwd]``. Pixels that were not reached are NaN,
    and ``meta["warnings"]`` says so. ``meta["z_spread"]`` is the range in Å of the parameter ``Z (m)`` over
    the pixels, where there is one: not zero if the tip was put on a new height at each pixel.

    Raises:
        InputError: for a damaged grid, another sweep than one of z, heights that differ between pixels, a
            missing channel.
    """
    with reading(path, "Nanonis grid (.3ds)"):
        lines, offset = header_lines(path, ":HEADER_END:")
        header = _parse(lines)
        names = _list(entry(path, header, "Channels"))
        if len(set(names)) != len(names):
            raise InputError(f"{path}: expected channels of different names, got a name twice")
        nx, ny = (
            _count(path, header, "Grid dim", text) for text in entry(path, header, "Grid dim").split("x")
        )
        points, n_params = (_count(path, header, key) for key in ("Points", "# Parameters (4 byte)"))
        if n_params < 2:
            raise InputError(f"{path}: # Parameters (4 byte): expected at least 2 parameters, got {n_params}")
        sweep = entry(path, header, "Sweep Signal")
        if not sweep.lower().startswith("z"):
            raise InputError(f"{path}: expected a sweep of Z, got one of {sweep!r}")
        length = n_params + points * len(names)
        size = path.stat().st_size - offset
        check_size(path, nx * ny * points, nx * ny * points)
        done = size // (4 * length)
        whole = done == nx * ny and size == 4 * nx * ny * length
        if not (whole or 0 < done < nx * ny <= _MAX_MISSING * done):
            raise InputError(
                f"{path}: expected {4 * nx * ny * length} bytes of data as its header says, got {size}: "
                "a damaged grid"
            )
        records = np.memmap(path, ">f4", "r", offset, (done, length))
        params = np.array(records[:, :n_params], dtype=np.float64)
        start, end = params[0, :2] * ANGSTROM_PER_M
        heights = np.linspace(start, end, points)
        step = abs(float(heights[-1] - heights[0])) / max(points - 1, 1)
        spread = np.ptp(params[:, :2], axis=0) * ANGSTROM_PER_M
        if not (spread <= 0.01 * step).all():
            raise InputError(
                f"{path}: expected the same heights at each pixel, got ones that differ by {spread.max():g} Å"
            )
        mine = [n for n in names if ("[bwd]" in n) == (direction == "backward")]
        name = mine[pick_channel(path, [n.replace("[bwd]", "") for n in mine], channel)]
        first = n_params + points * names.index(name)
        values = np.full((points, ny * nx), np.nan)
        values[:, :done] = records[:, first : first + points].T
        frame = [parse_number(path, "Grid settings", v) for v in _list(entry(path, header, "Grid settings"))]
        if len(frame) != 5:
            raise InputError(f"{path}: Grid settings: expected 5 numbers, got {len(frame)}")
        x, y, width, height = (v * ANGSTROM_PER_M for v in frame[:4])
        meta: dict[str, Any] = settings(path, header) | {"angle": frame[4]}
        # Each curve is taken with the controller off, whatever it does on the way to the next.
        meta.pop("feedback", None)
        parameters = [
            p
            for key in ("Fixed parameters", "Experiment parameters")
            for p in _list(entry(path, header, key))
        ]
        if "Z (m)" in parameters[:n_params]:
            meta["z_spread"] = float(np.ptp(params[:, parameters.index("Z (m)")]) * ANGSTROM_PER_M)
        if done < nx * ny:
            meta["warnings"] = [f"{path.name} was stopped after {done} of {nx * ny} points"]
        return ScanBlock(
            values=values.reshape(points, ny, nx),
            heights=heights,
            size=(width, height),
            center=(x, y),
            unit=split_unit(name)[1],
            channel=name,
            direction=direction,
            meta=meta,
            channels=tuple(names),
        )


def parse_time(text: str) -> float | None:
    """Seconds since 1970 of a date and a time of day, by the clock that wrote them; ``None`` for anything
    else."""
    for form in ("%d.%m.%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S"):
        try:
            return datetime.strptime(text.strip(), form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    return None


def _parse(lines: list[str]) -> dict[str, str]:
    """Lines ``key=value``, without quotation marks."""
    pairs = (line.partition("=") for line in lines)
    return {key.strip(): value.strip().strip('"') for key, equals, value in pairs if equals}


def _count(path: Path, header: dict[str, str], key: str, text: str | None = None) -> int:
    text = (entry(path, header, key) if text is None else text).strip()
    if not (text.isdecimal() and text.isascii() and len(text) < 12 and int(text) > 0):
        raise InputError(f"{path}: {key}: expected a positive whole number, got {text[:80]!r}")
    return int(text)


def _list(value: str) -> list[str]:
    return [part.strip() for part in value.split(";")]


@scan_reader("dat", suffixes=(".dat",))
def read_nanonis_dat(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """A Δf(z) curve: one pixel at ``X (m)``, ``Y (m)``. A folder of them makes a stack where the points form
    a grid.

    Heights are the column ``Z rel (m)`` added to ``Z (m)`` of the header, else the column ``Z (m)``.

    Raises:
        InputError: for a damaged file, one without place or heights, a missing channel.
    """
    with reading(path, "Nanonis spectrum (.dat)"):
        if path.stat().st_size > _MAX_TEXT:
            raise InputError(f"{path}: expected at most {_MAX_TEXT} bytes of text, got {path.stat().st_size}")
        lines, offset = header_lines(path, "[DATA]")
        header = {key.strip(): value.strip() for key, _, value in (line.partition("\t") for line in lines)}
        columns = _columns(decode_bytes(path.read_bytes()[offset:]))
        names = [n for n in columns if ("[bwd]" in n) == (direction == "backward")]
        name = names[pick_channel(path, [n.replace("[bwd]", "") for n in names], channel)]
        if "Z rel (m)" in columns:
            z = columns["Z rel (m)"] + parse_number(path, "Z (m)", entry(path, header, "Z (m)"))
        elif "Z (m)" in columns:
            z = columns["Z (m)"]
        else:
            raise InputError(
                f"{path}: expected a column 'Z rel (m)' or 'Z (m)', got {', '.join(map(repr, columns))}"
            )
        x, y = (
            parse_number(path, key, entry(path, header, key)) * ANGSTROM_PER_M for key in ("X (m)", "Y (m)")
        )
        meta = settings(path, header)
        # A curve is taken with the controller off, whatever it does before and after.
        meta.pop("feedback", None)
        return ScanBlock(
            values=columns[name][:, None, None],
            heights=z * ANGSTROM_PER_M,
            size=(0.0, 0.0),
            center=(x, y),
            unit=split_unit(name)[1],
            channel=name,
            direction=direction,
            meta=dict(meta),
            channels=tuple(columns),
        )


def _columns(text: str) -> dict[str, np.ndarray]:
    """Columns of numbers below their names, parted by tabulators."""
    first, *rows = [line.strip() for line in text.split("\n") if line.strip()]
    names = [name.strip() for name in first.split("\t")]
    table = np.array([row.split("\t") for row in rows]).astype(np.float64)
    if table.shape[1:] != (len(names),) or len(set(names)) != len(names):
        raise ValueError(f"{len(names)} columns and a table of shape {table.shape}")
    return dict(zip(names, table.T, strict=True))
