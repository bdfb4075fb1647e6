"""Images of Gwyddion: ``.gwy``."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from torch_afm.io.scans.gwy_structure import Component, components
from torch_afm.io.scans.scan_block import (
    MAX_VALUES,
    ScanBlock,
    check_size,
    number,
    pick_channel,
    plain,
    reading,
)
from torch_afm.units import ANGSTROM_PER_M
from torch_afm.utils import InputError

#: Keys of the metadata that tell the height of the tip in m.
_HEIGHT = {plain("Z-Controller>Z (m)"), plain("Z-Controller>Z")}

#: Directions in titles.
_BACKWARD = re.compile(r"[\[(]?\b(backward|bwd|retrace)\b[\])]?", re.IGNORECASE)
_FORWARD = re.compile(r"[\[(]?\b(forward|fwd|trace)\b[\])]?", re.IGNORECASE)


def read_gwy(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """All images of one channel in a ``.gwy`` file, in the order of their numbers, all of one size.

    An image's channel is its title ("OC M1 Freq. Shift [Backward]"), without the direction; titles that name
    none are forward. Heights are ``Z-Controller>Z (m)`` of the metadata where each image has it. Gwyddion's
    first line is the uppermost.

    Raises:
        InputError: for a damaged or truncated file, a missing channel, images of different sizes.
    """
    gwyfile = _import_gwyfile()
    with reading(path, "Gwyddion file (.gwy)"):
        if path.stat().st_size > 16 * MAX_VALUES:
            raise InputError(f"{path}: expected at most {16 * MAX_VALUES} bytes, got {path.stat().st_size}")
        data = path.read_bytes()
        parts = {part.name: part for part in components(data)}

        def load(part: Component) -> Any:
            return gwyfile.objects.component_from_buffer(data[part.start : part.end])[1]

        found = sorted(int(m[1]) for name in parts if (m := re.fullmatch(r"/(\d{1,9})/data", name)))
        titles = {
            i: str(load(parts[f"/{i}/data/title"])) if f"/{i}/data/title" in parts else f"Channel {i}"
            for i in found
        }
        mine = [i for i in found if bool(_BACKWARD.search(titles[i])) == (direction == "backward")]
        names = {i: _FORWARD.sub("", _BACKWARD.sub("", titles[i])).strip() for i in mine}
        distinct = list(dict.fromkeys(names.values()))
        chosen = distinct[pick_channel(path, distinct, channel)]
        images: list[np.ndarray] = []
        heights: list[float] = []
        frames, units = [], []
        for i in (i for i in mine if names[i] == chosen):
            field = load(parts[f"/{i}/data"])
            values = np.asarray(field.data, dtype=np.float64)[::-1]
            check_size(path, values.size * (len(images) + 1), MAX_VALUES)
            images.append(values)
            size, offset = (
                tuple(number(path, k, field.get(k, 0)) * ANGSTROM_PER_M for k in keys)
                for keys in (("xreal", "yreal"), ("xoff", "yoff"))
            )
            # y runs downwards in Gwyddion.
            frames.append((*size, offset[0] + size[0] / 2, -offset[1] - size[1] / 2))
            units.append("" if field.si_unit_z is None else str(field.si_unit_z.unitstr))
            meta = load(parts[f"/{i}/meta"]) if f"/{i}/meta" in parts else {}
            told = (str(value) for key, value in meta.items() if plain(key) in _HEIGHT)
            numbers = [m[1] for text in told if (m := re.fullmatch(r"([-+.\deE]+)\s*m?", text.strip()))]
            heights += [number(path, "Z", text) * ANGSTROM_PER_M for text in numbers[:1]]
        if len({v.shape for v in images}) != 1 or not np.allclose(frames, frames[0], rtol=1e-3):
            raise InputError(
                f"{path}: expected images of {chosen!r} of one size and place, got different ones"
            )
        if len(set(units)) != 1:
            raise InputError(f"{path}: expected one unit for {chosen!r}, got {', '.join(sorted(set(units)))}")
        return ScanBlock(
            values=np.stack(images),
            heights=np.array(heights) if len(heights) == len(images) else None,
            size=(frames[0][0], frames[0][1]),
            center=(frames[0][2], frames[0][3]),
            unit=units[0],
            channel=chosen,
            direction=direction,
        )


def _import_gwyfile() -> ModuleType:
    try:
        import gwyfile  # not at the top: an optional dependency
    except ImportError:
        raise InputError("gwyfile: expected it to be installed; pip install 'torch_afm[io]'") from None
    return gwyfile
