"""Stacks from the files of microscopes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from torch_afm.io.scans.assemble import assemble
from torch_afm.io.scans.readers.arrays import stack_block
from torch_afm.io.scans.registry import read_block, scan_format, scan_suffixes
from torch_afm.io.scans.scan_block import MAX_VALUES, ScanBlock, check_direction, check_forward, check_size
from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.io.stacks import AFMStack, read_npz_stack
from torch_afm.utils import InputError

#: Files of a folder at most.
_MAX_FILES = 100_000


def read_scan(
    path: str | Path | AFMStack,
    channel: str | None = None,
    direction: str = "forward",
    heights: Sequence[float] | None = None,
    pixel_size: float | tuple[float, float] | None = None,
    scale: float | None = None,
    step: float | None = None,
    constant_height: bool = False,
) -> ScanStack:
    """A stack from a file, or from the files of a folder, one slice or more each.

    - Nanonis ``.sxm``, ``.3ds`` with sweeps of z, and ``.dat`` spectra at the points of a grid;
    - Createc ``.dat``; Gwyddion ``.gwy``; PNG and TIFF;
    - npz and HDF5 with the arrays of :class:`torch_afm.io.AFMStack`;
    - what other packages register (:func:`scan_reader`).

    All files of a folder must have one format; others are passed over. Whatever a file's own order of lines,
    x runs to the right and y upwards in the scan frame, which stays unturned (``meta["angle"]``), and slices
    run from far to near. Values in kHz or mHz become Hz. What all slices must share, sizes, places, scan
    angles and oscillations, is compared; images taken with the controller of the height on are refused.
    ``meta["amplitude"]`` [Å, peak to peak] and ``meta["f0"]`` [Hz] are what the headers say of the
    oscillation, ``meta["warnings"]`` what may be wrong.

    Args:
        path: the file or folder, or a stack in memory, which goes the same road.
        channel: name of the channel, with or without its unit; that of the frequency shift where ``None``.
        direction: ``"forward"`` or ``"backward"``.
        heights: height of the tip at each image in Å, larger is farther, in the order of the names of the
            files, in which numbers count as such (2 before 10). Default: what the headers say.
        pixel_size: width and height of a pixel in Å, one number if equal. Default: what the headers say.
        scale: Hz in one unit of the file, for files that keep another (Createc, pictures).
        step: in place of ``heights``: how much nearer each image is than the one before it, in Å, the first
            at height 0.
        constant_height: the images are of constant height, whatever their headers say about the controller.

    Raises:
        InputError: for anything wrong with a file, naming it, and whatever the headers do not tell and is not
            given.
    """
    check_direction(direction)
    if step is not None and (heights is not None or not 0 < step < math.inf):
        raise InputError(f"step: expected a positive number of Å, and no heights beside it, got {step}")
    if scale is not None and (scale == 0 or not math.isfinite(scale)):
        raise InputError(f"scale: expected a finite number other than 0, in Hz, got {scale}")
    blocks: list[tuple[Path, ScanBlock]] = []
    if isinstance(path, AFMStack):
        stack, path = path, Path("stack")
        check_forward(path, direction)
        blocks.append((path, stack_block(path, stack, channel)))
    path = Path(path)
    for file in _files(path) if not blocks else ():
        blocks.append((file, read_block(file, channel, direction)))
        check_size(path, sum(block.values.size for _, block in blocks), MAX_VALUES)
    both = (pixel_size, pixel_size) if isinstance(pixel_size, int | float) else pixel_size
    if step is not None:
        heights = [0.0 - step * i for i in range(sum(len(block.values) for _, block in blocks))]
    try:
        return assemble(blocks, heights, both, None if scale is None else (scale, "Hz"), constant_height)
    except InputError as error:
        raise InputError(str(error) if str(path) in str(error) else f"{path}: {error}") from None


def read_stack(path: str | Path) -> AFMStack:
    """A stack as it is stored: a file of :func:`torch_afm.io.write_stack` with all its channels, anything
    else as :func:`read_scan` reads it.

    Args:
        path: the file or folder.

    Raises:
        InputError: as :func:`read_scan`, and for images that were not finished.
    """
    path = Path(path)
    if not path.is_dir() and (not path.is_file() or scan_format(path).name == "npz"):
        return read_npz_stack(path)
    stack = read_scan(path)
    try:
        return stack.afm_stack()
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        if not path.is_file():
            raise InputError(f"{path}: no such file or folder")
        return [path]
    suffixes = scan_suffixes()
    files = [f for f in path.iterdir() if f.suffix.lower() in suffixes and f.is_file()]
    if not 0 < len(files) <= _MAX_FILES:
        raise InputError(f"{path}: expected files ending in {', '.join(suffixes)}, found {len(files)}")
    names = {scan_format(file).name for file in files}
    if len(names) > 1:
        raise InputError(f"{path}: expected files of one format, got {', '.join(sorted(names))}")
    return sorted(files, key=lambda f: [int(t) if t.isdecimal() else t for t in re.split(r"(\d+)", f.name)])
