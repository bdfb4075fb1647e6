"""Images of Nanonis: ``.sxm``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from torch_afm.io.scans.nanonis import nanonispy2_read, settings
from torch_afm.io.scans.scan_block import ScanBlock, check_size, number, pick_channel, reading
from torch_afm.units import ANGSTROM_PER_M
from torch_afm.utils import InputError

#: Bytes in which a header must end.
_HEADER = 2**22


def read_sxm(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """One image of a ``.sxm`` file: a text header, then float32, most significant byte first, channel after
    channel, forward before backward.

    Lines are stored in the order of acquisition (``SCAN_DIR``: the lowest first when ``up``) and backward
    ones mirrored; both are undone here. The height is ``Z-Controller>Z (m)``.

    Raises:
        InputError: for a damaged or truncated file, a missing channel or direction.
    """
    with reading(path, "Nanonis image (.sxm)"):
        with open(path, "rb") as file:
            head = file.read(_HEADER)
        end = head.find(b"SCANIT_END")
        if end < 0 or b"\n" not in head[end:]:
            raise InputError(f"{path}: expected a header that ends in :SCANIT_END:, got none")
        header, offset = _header(path)
        if head[offset - 2 : offset] != b"\x1a\x04":
            raise InputError(f"{path}: expected the bytes 1a 04 between header and data, got others")
        nx, ny = (int(n) for n in header["scan_pixels"])
        info = header["data_info"]
        names, units, kinds = ([str(v) for v in info[key]] for key in ("Name", "Unit", "Direction"))
        # "both" means two images; anything else one of that direction.
        images = [
            (i, way)
            for i, kind in enumerate(kinds)
            for way in (("forward", "backward") if kind == "both" else (_direction(path, kind),))
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
        if header["scan_dir"].strip() == "down":
            values = values[::-1]
        if direction == "backward":
            values = values[:, ::-1]
        width, height = (number(path, "SCAN_RANGE", v) * ANGSTROM_PER_M for v in header["scan_range"])
        x, y = (number(path, "SCAN_OFFSET", v) * ANGSTROM_PER_M for v in header["scan_offset"])
        z = header.get("z-controller>z (m)")
        return ScanBlock(
            values=values[None],
            heights=None if z is None else np.array([number(path, "Z", z) * ANGSTROM_PER_M]),
            size=(width, height),
            center=(x, y),
            unit=units[chosen],
            channel=names[chosen],
            direction=direction,
            meta=settings(path, header) | {"angle": number(path, "SCAN_ANGLE", header.get("scan_angle", 0))},
        )


def _direction(path: Path, kind: str) -> str:
    for way in ("forward", "backward"):
        if kind in (way, f"{way[0]}wd"):
            return way
    raise InputError(
        f"{path}: DATA_INFO: expected the direction both, forward or backward, got {kind[:80]!r}"
    )


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The header as nanonispy2 reads it, and where the data begin."""
    base: Any = nanonispy2_read().Scan

    class Header(base):
        def _load_data(self) -> dict[str, Any]:
            # nanonispy2 takes every channel to have both directions, and any file to be complete.
            return {}

    scan = Header(str(path))
    return scan.header, scan.byte_offset
