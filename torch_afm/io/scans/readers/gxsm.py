"""Images of GXSM: ``.nc``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import netcdf_file

from torch_afm.io.files import decode_bytes
from torch_afm.io.scans.datasets import read_attribute, read_dataset
from torch_afm.io.scans.registry import scan_reader
from torch_afm.io.scans.scan_block import (
    MAX_VALUES,
    ScanBlock,
    check_size,
    frame_turn,
    parse_number,
    pick_channel,
    reading,
)
from torch_afm.utils import InputError

#: Variables that hold the image: single and double precision, and 16 bits of older versions.
_IMAGES = ("FloatField", "DoubleField", "H")

#: GXSM's names of units -> the unit of values times ``dz``, where all descriptions agree.
_UNITS = dict.fromkeys(("AA", "nm", "um", "mm"), "Å") | {u: u for u in ("Hz", "V", "nA", "nN", "K")}

#: Directions in the names of files.
_WAYS = {"Xp": "forward", "Xm": "backward"}

#: What netCDF writes where nothing was written, of floating point (``NC_FILL_FLOAT``, netcdf.h).
_FILL = 9.9692e36


@dataclass(frozen=True)
class _Variables:
    """Variables of a netCDF file: their names, their values, and the texts beside them."""

    names: frozenset[str]
    values: Callable[[str], np.ndarray]
    attribute: Callable[[str, str], str | None]

    def number(self, path: Path, name: str, default: float) -> float:
        if name not in self.names:
            return default
        values = self.values(name).ravel()
        if values.size != 1:
            raise InputError(f"{path}: {name}: expected one number, got {values.size}")
        return parse_number(path, name, values[0])


@scan_reader("gxsm", suffixes=(".nc",), magic=(b"CDF\x01", b"CDF\x02"))
def read_gxsm(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """The image of a ``.nc`` file of GXSM, one channel and direction each: netCDF-3, and netCDF-4 through
    the reader of HDF5 files.

    ``FloatField`` (in other versions ``DoubleField``, ``H``) ``[time, value, dimy, dimx]`` times ``dz`` is in
    the unit that ``rangez`` names; all of ``time`` and ``value`` are slices. Values without a unit that is
    known keep the unit ``DAC``: give ``scale``. Lengths are in Å whatever unit they are shown in; pixels are
    ``dx`` by ``dy``. ``dimx`` and ``dimy`` are the positions of columns and lines in the frame, ``offsetx``
    and ``offsety`` its place, ``alpha`` its angle, clockwise. Where ``dimy`` does not rise, the first line is
    the uppermost. The names of files end in ``-Xp-<channel>.nc`` (forward) or ``-Xm-<channel>.nc``
    (backward). ``t_start`` and ``t_end`` are in s since 1970.

    So GXSM itself (dataio, scan), Gwyddion's importer, gxsmread and SpmImages.jl have it. Where they differ:
    Gwyddion takes ``rangex`` for the width, which is ``dx`` times one pixel less; units that are shown in
    another one than they are kept in (mHz, mV, pA) are read differently, and stay ``DAC``. None of them tells
    the height of the tip (give ``heights``), whether it was controlled, the oscillation amplitude, or the
    sign of values that an external controller passes on. Nor do they say how lines that were not scanned are
    marked: those at an edge that are zero throughout become NaN, with a warning.

    Raises:
        InputError: for a damaged file, another channel or direction, one without an image.
    """
    with reading(path, "netCDF file"), netcdf_file(path, "r", mmap=True) as file:
        held = file.variables

        def attribute(name: str, key: str) -> str | None:
            text = getattr(held[name], key, None)
            return (
                decode_bytes(text).strip("\0 ") if isinstance(text, bytes) else None if text is None else ""
            )

        def values(name: str) -> np.ndarray:
            data = held[name].data
            if data.dtype.kind not in "fiu":
                raise InputError(f"{path}: {name}: expected real numbers, got {data.dtype}")
            check_size(path, data.size, MAX_VALUES)
            return np.array(data)

        return _block(path, _Variables(frozenset(held), values, attribute), channel, direction)


def is_gxsm(file: Any) -> bool:
    """Whether an open ``h5py.File`` is a netCDF-4 file of GXSM."""
    return "dz" in file and any(name in file for name in _IMAGES)


def gxsm_block(path: Path, file: Any, channel: str | None, direction: str) -> ScanBlock:
    """What :func:`read_gxsm` makes of an open ``h5py.File``."""

    def attribute(name: str, key: str) -> str | None:
        return read_attribute(file[name], key) if name in file else None

    def values(name: str) -> np.ndarray:
        return read_dataset(path, file, name, "fiu")

    return _block(path, _Variables(frozenset(file), values, attribute), channel, direction)


def _block(path: Path, held: _Variables, channel: str | None, direction: str) -> ScanBlock:
    image = next((name for name in _IMAGES if name in held.names), None)
    if image is None:
        raise InputError(
            f"{path}: expected an image of GXSM ({', '.join(_IMAGES)}), got the variables "
            f"{', '.join(map(repr, sorted(held.names)[:8])) or 'none'}"
        )
    found = re.search(r"-(Xp|Xm)-(.+)$", path.stem)
    way, name = (_WAYS[found[1]], found[2]) if found else ("forward", "")
    name = name or held.attribute(image, "ZLabel") or image
    pick_channel(path, [name], channel)
    if direction != way:
        raise InputError(f"direction: expected {way!r}, the only one of {path}, got {direction!r}")
    values = held.values(image).astype(np.float64)
    if values.ndim != 4 or not values.size:
        raise InputError(f"{path}: {image}: expected [time, value, dimy, dimx], got shape {values.shape}")
    ny, nx = values.shape[2:]
    values = values.reshape(-1, ny, nx)
    values[values > _FILL] = np.nan
    unit, warnings = _unit(held, image)
    warnings += _drop_empty_lines(path, values)
    x, y = (_positions(path, held, key, n) for key, n in (("dimx", nx), ("dimy", ny)))
    if x is None and way == "backward":
        raise InputError(
            f"{path}: dimx: expected the positions of columns, got none: nothing else tells their order"
        )
    if x is not None and x[0] > x[-1]:
        values = values[:, :, ::-1]
    if y is None or y[0] >= y[-1]:
        values = values[:, ::-1]
    width, height = (abs(held.number(path, key, 0.0)) * n for key, n in (("dx", nx), ("dy", ny)))
    meta: dict[str, Any] = {"angle": held.number(path, "alpha", 0.0)}
    if warnings:
        meta["warnings"] = warnings
    begun, ended = (held.number(path, key, 0.0) for key in ("t_start", "t_end"))
    if begun > 0:
        meta |= {"time": begun} | ({"duration": ended - begun} if ended > begun else {})
    offset = np.array([held.number(path, key, 0.0) for key in ("offsetx", "offsety")])
    middle = [0.0 if axis is None else (axis[0] + axis[-1]) / 2 for axis in (x, y)]
    # Older versions have the offset in the positions, and no text that says they have not.
    for i, key in enumerate(("dimx", "dimy")):
        if key in held.names and held.attribute(key, "extra_info") is None:
            middle[i] -= offset[i]
    center = offset + frame_turn(meta) @ np.array(middle)
    return ScanBlock(
        values=values * held.number(path, "dz", 1.0),
        heights=None,
        size=(width, height) if width > 0 and height > 0 else None,
        center=(float(center[0]), float(center[1])),
        unit=unit,
        channel=name,
        direction=direction,
        meta=meta,
        channels=(name,),
    )


def _unit(held: _Variables, image: str) -> tuple[str, list[str]]:
    """The unit of values times ``dz``, and what is to say about it."""
    alias = held.attribute("rangez", "unit") if "rangez" in held.names else None
    alias = alias or held.attribute(image, "ZSrcUnit") or ""
    if "dz" not in held.names:
        return "DAC", ["the file has no dz, which turns its numbers into a unit; give scale"]
    if not alias or alias in _UNITS:
        return _UNITS.get(alias, "DAC"), []
    return "DAC", [f"GXSM's unit {alias[:20]!r} is not known for certain; give scale"]


def _drop_empty_lines(path: Path, values: np.ndarray) -> list[str]:
    """Make lines at an edge that are zero throughout NaN."""
    dropped = 0
    for image in values:
        scanned = np.flatnonzero((image != 0).any(axis=1))
        first, last = (scanned[0], scanned[-1]) if len(scanned) else (len(image), len(image))
        image[:first] = image[last + 1 :] = np.nan
        dropped += len(image) - (last + 1 - first if len(scanned) else 0)
    return (
        [f"{dropped} lines of {path.name} that are zero throughout were taken for not scanned"]
        if dropped
        else []
    )


def _positions(path: Path, held: _Variables, name: str, n: int) -> np.ndarray | None:
    """Positions of ``n`` columns or lines in Å; ``None`` where the file has none that differ."""
    if name not in held.names:
        return None
    values = held.values(name).astype(np.float64).ravel()
    if values.size != n or not np.isfinite(values).all():
        raise InputError(f"{path}: {name}: expected {n} finite positions, got {values.size}")
    steps = np.diff(values)
    if not ((steps > 0).all() or (steps < 0).all()):
        return None
    return values if n > 1 else None
