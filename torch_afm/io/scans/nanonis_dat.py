"""Point spectra of Nanonis: ``.dat``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from torch_afm.io.scans.nanonis import nanonispy2_read, settings
from torch_afm.io.scans.scan_block import ScanBlock, number, pick_channel, reading
from torch_afm.units import ANGSTROM_PER_M
from torch_afm.utils import InputError

#: Bytes of text at most.
_MAX_TEXT = 2**25


def read_nanonis_dat(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """A Δf(z) curve: one pixel at ``X (m)``, ``Y (m)``. A folder of them makes a stack where the points form
    a grid.

    Heights are the column ``Z rel (m)`` added to ``Z (m)`` of the header, else the column ``Z (m)``.

    Raises:
        InputError: for a damaged file, one without heights, a missing channel.
    """
    with reading(path, "Nanonis spectrum (.dat)"):
        if path.stat().st_size > _MAX_TEXT:
            raise InputError(f"{path}: expected at most {_MAX_TEXT} bytes of text, got {path.stat().st_size}")
        spectrum = nanonispy2_read().Spec(str(path))
        header = spectrum.header
        columns = {name.strip(): values for name, values in spectrum.signals.items()}
        names = [n for n in columns if ("[bwd]" in n) == (direction == "backward")]
        name = names[pick_channel(path, [n.replace("[bwd]", "") for n in names], channel)]
        if "Z rel (m)" in columns:
            z = columns["Z rel (m)"] + number(path, "Z (m)", header.get("Z (m)", 0))
        elif "Z (m)" in columns:
            z = columns["Z (m)"]
        else:
            raise InputError(
                f"{path}: expected a column 'Z rel (m)' or 'Z (m)', got {', '.join(map(repr, columns))}"
            )
        x, y = (number(path, key, header.get(key, 0)) * ANGSTROM_PER_M for key in ("X (m)", "Y (m)"))
        return ScanBlock(
            values=columns[name].astype(np.float64)[:, None, None],
            heights=z * ANGSTROM_PER_M,
            size=(0.0, 0.0),
            center=(x, y),
            unit=name[name.rfind("(") + 1 : name.rfind(")")] if "(" in name else "",
            channel=name,
            direction=direction,
            meta=dict(settings(path, header)),
        )
