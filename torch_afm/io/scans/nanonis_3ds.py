"""Grids of spectra of Nanonis: ``.3ds``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from torch_afm.io.scans.nanonis import entry, header_lines, settings
from torch_afm.io.scans.scan_block import ScanBlock, bracketed, check_size, number, pick_channel, reading
from torch_afm.units import ANGSTROM_PER_M
from torch_afm.utils import InputError

#: Points of a grid for each that was measured, at most, in one that was stopped: no damaged file of a few
#: bytes shall take much memory.
_MOST_MISSING = 1000


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
        if not (whole or 0 < done < nx * ny <= _MOST_MISSING * done):
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
        frame = [number(path, "Grid settings", v) for v in _list(entry(path, header, "Grid settings"))]
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
            unit=bracketed(name)[1],
            channel=name,
            direction=direction,
            meta=meta,
        )


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
