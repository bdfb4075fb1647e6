"""Images of Nanonis: ``.sxm``."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch

from torch_afm.functional import remove_slope
from torch_afm.io.scans.readers.nanonis import header_lines, parse_time, settings
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


@scan_reader("sxm", suffixes=(".sxm",), magic=(b":NANONIS_VERSION:",))
def read_sxm(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """One image of a ``.sxm`` file: a text header, then float32, most significant byte first, channel after
    channel, forward before backward.

    Lines are stored in the order of acquisition (``SCAN_DIR``: the lowest first when ``up``) and backward
    ones mirrored; both are undone here. The height is ``Z-Controller>Z (m)``.

    Raises:
        InputError: for a damaged or truncated file, a missing channel or direction.
    """
    with reading(path, "Nanonis image (.sxm)"):
        lines, offset = header_lines(path, ":SCANIT_END:")
        with open(path, "rb") as file:
            file.seek(offset)
            marker = re.match(rb"[\r\n]*\x1a\x04", file.read(16))
        if marker is None:
            raise InputError(f"{path}: expected the bytes 1a 04 between header and data, got others")
        offset += marker.end()
        header = _parse(lines)
        nx, ny = (int(n) for n in _first(path, header, "SCAN_PIXELS").split())
        names, units, directions = _table(path, header)
        # "both" means two images; anything else one of that direction.
        images = [
            (i, way)
            for i, listed in enumerate(directions)
            for way in (("forward", "backward") if listed == "both" else (_direction(path, listed),))
        ]
        held = max(path.stat().st_size - offset, 0) // 4
        if nx < 1 or ny < 1:
            raise InputError(f"{path}: expected at least one pixel, got {nx} x {ny}")
        check_size(path, len(images) * nx * ny, held)
        chosen = pick_channel(path, names, channel)
        if (chosen, direction) not in images:
            raise InputError(f"direction: expected one of {names[chosen]!r} in {path}, got {direction!r}")
        start = offset + 4 * nx * ny * images.index((chosen, direction))
        values = np.fromfile(path, ">f4", nx * ny, offset=start).astype(np.float64).reshape(ny, nx)
        upwards = _first(path, header, "SCAN_DIR")
        if upwards not in ("up", "down"):
            raise InputError(f"{path}: SCAN_DIR: expected up or down, got {upwards[:80]!r}")
        if upwards == "down":
            values = values[::-1]
        if direction == "backward":
            values = values[:, ::-1]
        size, center = (
            tuple(parse_number(path, key, v) * ANGSTROM_PER_M for v in _first(path, header, key).split())
            for key in ("SCAN_RANGE", "SCAN_OFFSET")
        )
        flat = {
            key: next((line.strip() for line in held if line.strip()), "") for key, held in header.items()
        }
        meta = settings(path, flat)
        meta.setdefault("feedback", _controlled(header))
        meta |= _times(flat)
        if "Z" in names and (names.index("Z"), direction) in images and names[chosen] != "Z":
            begin = offset + 4 * nx * ny * images.index((names.index("Z"), direction))
            heights = np.fromfile(path, ">f4", nx * ny, offset=begin).astype(np.float64).reshape(ny, nx)
            meta["z_spread"] = _spread(heights) * ANGSTROM_PER_M
        if "SCAN_ANGLE" in flat:
            meta["angle"] = parse_number(path, "SCAN_ANGLE", flat["SCAN_ANGLE"])
        return ScanBlock(
            values=values[None],
            heights=_height(path, flat),
            size=(size[0], size[1]),
            center=(center[0], center[1]),
            unit=units[chosen],
            channel=names[chosen],
            direction=direction,
            meta={key: value for key, value in meta.items() if value != ""},
            channels=tuple(names),
        )


def _parse(lines: list[str]) -> dict[str, list[str]]:
    """The lines below each ``:KEY:``, up to the next."""
    header: dict[str, list[str]] = {}
    held: list[str] = []
    for line in lines:
        if found := re.fullmatch(r":([^:].*):\s*", line):
            held = header.setdefault(found[1], [])
        else:
            held.append(line)
    return header


def _first(path: Path, header: dict[str, list[str]], key: str) -> str:
    """The first line of what a header says under ``key``."""
    text = next((line.strip() for line in header.get(key, []) if line.strip()), "")
    if not text:
        raise InputError(f"{path}: expected {key} in its header, got none")
    return text


def _table(path: Path, header: dict[str, list[str]]) -> tuple[list[str], list[str], list[str]]:
    """Names, units and directions of the channels."""
    rows = [line.strip().split("\t") for line in header.get("DATA_INFO", []) if line.strip()]
    columns = {name.strip(): i for i, name in enumerate(rows[0])} if rows else {}
    missing = {"Name", "Unit", "Direction"} - columns.keys()
    if missing:
        raise InputError(f"{path}: DATA_INFO: expected columns Name, Unit and Direction, got {list(columns)}")
    names, units, directions = (
        [row[columns[key]].strip() for row in rows[1:]] for key in ("Name", "Unit", "Direction")
    )
    return names, units, directions


def _spread(heights: np.ndarray) -> float:
    """Range of recorded heights without their plane, along which a tip may be led over a tilted sample; of
    all but the outermost hundredths."""
    if not np.isfinite(heights).all():
        return 0.0
    flat = remove_slope(torch.from_numpy(heights)).numpy()
    low, high = np.percentile(flat, (1, 99))
    return float(high - low)


def _times(header: dict[str, str]) -> dict[str, float]:
    """When the image was begun and how long it took, as far as the header says."""
    begun = parse_time(f"{header.get('REC_DATE', '')} {header.get('REC_TIME', '')}")
    took = parse_quantity(header.get("ACQ_TIME", ""), "s", "s")
    return ({} if begun is None else {"time": begun}) | ({} if took is None else {"duration": took})


def _height(path: Path, header: dict[str, str]) -> np.ndarray | None:
    for name, text in header.items():
        bare, unit = split_unit(name)
        if plain_name(bare) == plain_name("Z-Controller>Z"):
            z = parse_quantity(text, unit, "m")
            if z is None:
                raise InputError(f"{path}: {name}: expected a finite number, got {text[:80]!r}")
            return np.array([z * ANGSTROM_PER_M])
    return None


def _controlled(header: dict[str, list[str]]) -> str:
    """The column "on" of the table that older versions write about the controller of the height."""
    rows = [line.strip().split("\t") for line in header.get("Z-CONTROLLER", []) if line.strip()]
    if len(rows) < 2 or "on" not in rows[0] or len(rows[1]) <= rows[0].index("on"):
        return ""
    return {"0": "OFF", "1": "ON"}.get(rows[1][rows[0].index("on")].strip(), "")


def _direction(path: Path, listed: str) -> str:
    for way in ("forward", "backward"):
        if listed in (way, f"{way[0]}wd"):
            return way
    raise InputError(
        f"{path}: DATA_INFO: expected the direction both, forward or backward, got {listed[:80]!r}"
    )
