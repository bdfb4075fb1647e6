"""Stacks from the files of microscopes."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from torch_afm.io.scans.arrays import read_hdf5, read_npz, stack_block
from torch_afm.io.scans.assemble import assemble
from torch_afm.io.scans.createc import is_createc, read_createc
from torch_afm.io.scans.gwyddion import read_gwy
from torch_afm.io.scans.nanonis_3ds import read_3ds
from torch_afm.io.scans.nanonis_dat import read_nanonis_dat
from torch_afm.io.scans.nanonis_sxm import read_sxm
from torch_afm.io.scans.pictures import read_picture
from torch_afm.io.scans.scan_block import MAX_VALUES, ScanBlock, check_direction, check_size
from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.io.stacks import AFMStack, read_npz_stack
from torch_afm.utils import InputError

#: Formats by the endings of files, for those whose first bytes do not tell.
_ENDINGS = {
    ".sxm": "sxm",
    ".3ds": "3ds",
    ".dat": "dat",
    ".gwy": "gwy",
    ".npz": "npz",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".png": "picture",
    ".tif": "picture",
    ".tiff": "picture",
}

#: Formats by the first bytes of files.
_STARTS = {
    b"PK": "npz",
    b"\x89HDF": "hdf5",
    b"GWYP": "gwy",
    b"\x89PNG": "picture",
    b"II*\0": "picture",
    b"MM\0*": "picture",
}

#: Formats that are not read, by the endings of files, as they are called.
_OTHERS = {
    ".stp": "a WSxM image",
    ".top": "a WSxM image",
    ".spm": "a Bruker Nanoscope file",
    ".ibw": "an Igor (Asylum Research) file",
    ".mdt": "an NT-MDT file",
    ".asd": "an RIBM file",
    ".vert": "a Createc spectrum",
    ".specgrid": "a Createc grid of spectra",
    ".nc": "a GXSM (netCDF) file",
    ".sm4": "an RHK file",
    ".mtrx": "an Omicron Matrix file",
    ".nid": "a Nanosurf file",
    ".jpk": "a JPK file",
    ".jpk-force": "a JPK file",
    ".h5-jpk": "a JPK file",
    ".jpg": "a JPEG picture",
    ".jpeg": "a JPEG picture",
}

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
    - Createc ``.dat``; Gwyddion ``.gwy``; PNG and TIFF; npz and HDF5 as :func:`read_npz` and
      :func:`read_hdf5` describe them.

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
    blocks: list[tuple[Path, ScanBlock]] = []
    if isinstance(path, AFMStack):
        stack, path = path, Path("stack")
        blocks.append((path, stack_block(path, stack, channel)))
    path = Path(path)
    for file in _files(path) if not blocks else ():
        blocks.append((file, _read(file, channel, direction)))
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
    if not path.is_dir() and (not path.is_file() or _kind(path) == "npz"):
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
    files = [f for f in path.iterdir() if f.suffix.lower() in _ENDINGS and f.is_file()]
    if not 0 < len(files) <= _MAX_FILES:
        raise InputError(f"{path}: expected files ending in {', '.join(_ENDINGS)}, found {len(files)}")
    kinds = {_kind(file) for file in files}
    if len(kinds) > 1:
        raise InputError(f"{path}: expected files of one format, got {', '.join(sorted(kinds))}")
    return sorted(files, key=lambda f: [int(t) if t.isdecimal() else t for t in re.split(r"(\d+)", f.name)])


def _kind(path: Path) -> str:
    """The format, by the first bytes where these are enough, else by the ending."""
    try:
        with open(path, "rb") as file:
            head = file.read(16)
    except OSError as error:
        raise InputError(f"{path}: cannot read ({error.strerror})") from None
    ending = path.suffix.lower()
    if is_createc(head):
        return "createc"
    if ending in _OTHERS or re.fullmatch(r"\.\d{3}", ending):
        other = _OTHERS.get(ending, "a Bruker Nanoscope file")
        raise InputError(
            f"{path}: expected a file ending in {', '.join(_ENDINGS)}, got {other}; open it in Gwyddion and "
            "save its images of Δf as .gwy"
        )
    for start, kind in _STARTS.items():
        if head.startswith(start):
            return kind
    if ending not in _ENDINGS:
        raise InputError(
            f"{path}: expected a file ending in {', '.join(_ENDINGS)}, got one of an unknown format"
        )
    return _ENDINGS[ending]


def _read(path: Path, channel: str | None, direction: str) -> ScanBlock:
    kind = _kind(path)
    if kind in ("npz", "hdf5", "picture"):
        if direction != "forward":
            raise InputError(f"direction: expected 'forward', the only one of {path}, got {direction!r}")
        if kind == "picture":
            return read_picture(path)
        return (read_npz if kind == "npz" else read_hdf5)(path, channel)
    readers = {
        "sxm": read_sxm,
        "3ds": read_3ds,
        "dat": read_nanonis_dat,
        "createc": read_createc,
        "gwy": read_gwy,
    }
    return readers[kind](path, channel, direction)
