"""Grids of spectra of Nanonis: ``.3ds``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from torch_afm.io.scans.nanonis import nanonispy2_read, settings
from torch_afm.io.scans.scan_block import ScanBlock, check_size, pick_channel, reading
from torch_afm.units import ANGSTROM_PER_M
from torch_afm.utils import InputError


def read_3ds(path: Path, channel: str | None, direction: str) -> ScanBlock:
    """A volume out of a grid of Δf(z) curves: a text header, then for each pixel its parameters and its
    channels as float32, most significant byte first; the lowest line comes first.

    Heights run from ``Sweep Start`` to ``Sweep End``, which must be the same at every pixel, since a stack
    has constant heights. Backward sweeps are channels marked ``[bwd]``. ``meta["z_spread"]`` is the range in
    Å of the parameter ``Z (m)`` over the pixels, where there is one: not zero if the tip was put on a new
    height at each pixel.

    Raises:
        InputError: for a damaged, truncated or unfinished grid, another sweep than one of z, heights that
            differ between pixels, a missing channel.
    """
    with reading(path, "Nanonis grid (.3ds)"):
        with open(path, "rb") as file:
            head = file.read(2**22)
        if b":HEADER_END:" not in head:
            raise InputError(f"{path}: expected a header that ends in :HEADER_END:, got none")
        grid = _grid(path)
        header, params = grid.header, grid.signals["params"].astype(np.float64)
        if not header["sweep_signal"].lower().startswith("z"):
            raise InputError(f"{path}: expected a sweep of Z, got one of {header['sweep_signal']!r}")
        start, end = params[0, 0, :2] * ANGSTROM_PER_M
        heights = np.linspace(start, end, header["num_sweep_signal"])
        step = abs(float(heights[-1] - heights[0])) / max(len(heights) - 1, 1)
        spread = np.ptp(params[:, :, :2], axis=(0, 1)) * ANGSTROM_PER_M
        if not (spread <= 0.01 * step).all():
            raise InputError(
                f"{path}: expected the same heights at each pixel, got ones that differ by {spread.max():g} Å"
            )
        names = header["channels"]
        mine = [n for n in names if ("[bwd]" in n) == (direction == "backward")]
        name = mine[pick_channel(path, [n.replace("[bwd]", "") for n in mine], channel)]
        (x, y), (width, height) = (
            (float(a) * ANGSTROM_PER_M, float(b) * ANGSTROM_PER_M)
            for a, b in (header["pos_xy"], header["size_xy"])
        )
        meta: dict[str, Any] = settings(path, header) | {"angle": float(header["angle"])}
        columns = [*_list(header["fixed_parameters"]), *_list(header["experimental_parameters"])]
        if "Z (m)" in columns and columns.index("Z (m)") < params.shape[2]:
            meta["z_spread"] = float(np.ptp(params[:, :, columns.index("Z (m)")]) * ANGSTROM_PER_M)
        return ScanBlock(
            values=np.ascontiguousarray(np.moveaxis(grid.signals[name].astype(np.float64), 2, 0)),
            heights=heights,
            size=(width, height),
            center=(x, y),
            unit=name[name.rfind("(") + 1 : name.rfind(")")] if "(" in name else "",
            channel=name,
            direction=direction,
            meta=meta,
        )


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _grid(path: Path) -> Any:
    base: Any = nanonispy2_read().Grid

    class Grid(base):
        def _load_data(self) -> dict[str, Any]:
            # nanonispy2 takes memory for whatever the header says, and fills up what is missing with zeros.
            nx, ny = self.header["dim_px"]
            points, n_channels = self.header["num_sweep_signal"], self.header["num_channels"]
            n_params = self.header["num_parameters"]
            if min(nx, ny, points, n_channels) < 1 or n_params < 2:
                raise InputError(
                    f"{path}: expected pixels, points, channels and 2 parameters, "
                    f"got {nx} x {ny}, {points}, {n_channels} and {n_params}"
                )
            size = path.stat().st_size - self.byte_offset
            total = nx * ny * (n_params + points * n_channels)
            check_size(path, nx * ny * points, size // 4)
            if size != 4 * total:
                raise InputError(
                    f"{path}: expected {4 * total} bytes of data as its header says, got {size}: "
                    "a damaged or unfinished grid"
                )
            if len(set(self.header["channels"])) != n_channels:
                raise InputError(f"{path}: expected channels of different names, got a name twice")
            return super()._load_data()

        def _extract_topo(self) -> np.ndarray:
            # nanonispy2 takes the fifth parameter for a height, which not every grid has.
            return np.empty(0)

    return Grid(str(path))
