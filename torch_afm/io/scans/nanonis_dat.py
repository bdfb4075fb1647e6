"""Point spectra of Nanonis: ``.dat``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from torch_afm.io.scans.nanonis import entry, header_lines, settings
from torch_afm.io.scans.scan_block import ScanBlock, bracketed, number, pick_channel, reading
from torch_afm.io.text import decode_bytes
from torch_afm.units import ANGSTROM_PER_M
from torch_afm.utils import InputError

#: Bytes of text at most.
_MAX_TEXT = 2**25


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
            z = columns["Z rel (m)"] + number(path, "Z (m)", entry(path, header, "Z (m)"))
        elif "Z (m)" in columns:
            z = columns["Z (m)"]
        else:
            raise InputError(
                f"{path}: expected a column 'Z rel (m)' or 'Z (m)', got {', '.join(map(repr, columns))}"
            )
        x, y = (number(path, key, entry(path, header, key)) * ANGSTROM_PER_M for key in ("X (m)", "Y (m)"))
        meta = settings(path, header)
        # A curve is taken with the controller off, whatever it does before and after.
        meta.pop("feedback", None)
        return ScanBlock(
            values=columns[name][:, None, None],
            heights=z * ANGSTROM_PER_M,
            size=(0.0, 0.0),
            center=(x, y),
            unit=bracketed(name)[1],
            channel=name,
            direction=direction,
            meta=dict(meta),
        )


def _columns(text: str) -> dict[str, np.ndarray]:
    """Columns of numbers below their names, parted by tabulators."""
    first, *rows = [line.strip() for line in text.split("\n") if line.strip()]
    names = [name.strip() for name in first.split("\t")]
    table = np.array([row.split("\t") for row in rows]).astype(np.float64)
    if table.shape[1:] != (len(names),) or len(set(names)) != len(names):
        raise ValueError(f"{len(names)} columns and a table of shape {table.shape}")
    return dict(zip(names, table.T, strict=True))
