"""Images of Gwyddion: ``.gwy``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from torch_afm.io.scans.gwy_structure import components, value
from torch_afm.io.scans.nanonis import settings
from torch_afm.io.scans.scan_block import (
    MAX_VALUES,
    ScanBlock,
    bracketed,
    check_common,
    check_size,
    number,
    pick_channel,
    plain,
    quantity,
    reading,
    unit_factor,
)
from torch_afm.units import ANGSTROM_PER_M
from torch_afm.utils import InputError

#: Directions in titles.
_BACKWARD = re.compile(r"[\[(]?\b(backward|bwd|retrace)\b[\])]?", re.IGNORECASE)
_FORWARD = re.compile(r"[\[(]?\b(forward|fwd|trace)\b[\])]?", re.IGNORECASE)


def read_gwy(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """All images of one channel in a ``.gwy`` file, in the order of their numbers, all of one size.

    An image's channel is its title ("OC M1 Freq. Shift [Backward]"), without the direction; titles that name
    none are forward. Heights are ``Z-Controller>Z`` of the metadata where each image has it; oscillation and
    controller are those that Gwyddion keeps of Nanonis' headers. Gwyddion's first line is the uppermost.
    Frames in px, or without a unit, tell no size. Lines that a mask covers are NaN, as Gwyddion marks those
    it filled; other masks are not used, and ``meta["warnings"]`` says so.

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
        names = {i: _FORWARD.sub("", _BACKWARD.sub("", titles[i])).strip() for i in mine}
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
                lines = np.asarray(masked.all(axis=1))
                image = np.where(lines[:, None], np.nan, image)
                if masked[~lines].any():
                    warnings.append(f"the mask of image {i} in {path.name} was not used")
            images.append(image)
            frames.append(_frame(path, field))
            units.append(_unit(field, "si_unit_z"))
            meta = value(data, parts[f"/{i}/meta"]) if f"/{i}/meta" in parts else {}
            heights += _height(meta)
            recorded.append(settings(path, meta))
        if len({v.shape for v in images}) != 1 or not np.allclose(
            frames, frames[0], rtol=1e-3, equal_nan=True
        ):
            raise InputError(
                f"{path}: expected images of {chosen!r} of one size and place, got different ones"
            )
        if len(set(units)) != 1:
            raise InputError(f"{path}: expected one unit for {chosen!r}, got {', '.join(sorted(set(units)))}")
        check_common([(f"{path}: image {i + 1} of {chosen!r}", meta) for i, meta in enumerate(recorded)])
        meta = dict(recorded[0])
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
        )


def _image(field: dict[str, Any]) -> np.ndarray:
    """The numbers of a data field, the lowest line first."""
    shape = int(field["yres"]), int(field["xres"])
    if min(shape) < 1:
        raise ValueError(f"an image of {shape[1]} x {shape[0]} pixels")
    return np.asarray(field["data"], dtype=np.float64).reshape(shape)[::-1]


def _unit(field: dict[str, Any], key: str) -> str:
    return str(field.get(key, {}).get("unitstr", "")).strip()


def _frame(path: Path, field: dict[str, Any]) -> tuple[float, float, float, float]:
    """Width, height and middle of a data field in Å; NaN where it has no unit or is in pixels."""
    unit = _unit(field, "si_unit_xy")
    if unit.lower() in ("", "px", "pixel", "pixels"):
        return (np.nan,) * 4
    factor = unit_factor(unit, "m")
    if factor is None:
        raise InputError(f"{path}: expected a frame in a unit of length, got {unit[:80]!r}; give pixel_size")
    width, height, x, y = (
        number(path, key, field.get(key, 0)) * factor * ANGSTROM_PER_M
        for key in ("xreal", "yreal", "xoff", "yoff")
    )
    # y runs downwards in Gwyddion.
    return width, height, x + width / 2, -y - height / 2


def _height(meta: dict[str, Any]) -> list[float]:
    """The height of the tip in Å, in a list, or an empty one where it is not told."""
    for name, text in meta.items():
        bare, unit = bracketed(name)
        if plain(bare) == plain("Z-Controller>Z"):
            z = quantity(text, unit, "m")
            return [] if z is None else [z * ANGSTROM_PER_M]
    return []
