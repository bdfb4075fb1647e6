"""Stacks from the files of microscopes."""

from __future__ import annotations

import glob
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch_afm.io.scans.assemble import assemble
from torch_afm.io.scans.choose import ScanFile, Skipped
from torch_afm.io.scans.readers.arrays import stack_block
from torch_afm.io.scans.registry import read_block, scan_format, scan_suffixes
from torch_afm.io.scans.repeats import merge_repeats
from torch_afm.io.scans.scan_block import check_direction, check_forward
from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.io.stacks import AFMStack, read_npz_stack
from torch_afm.utils import InputError

#: Files of a folder at most, and values of all that are compared: 2 GiB in float64.
_MAX_FILES, _MAX_READ = 100_000, 2**28


def read_scan(
    path: str | Path | AFMStack | Sequence[str | Path],
    channel: str | None = None,
    direction: str = "forward",
    heights: Sequence[float] | None = None,
    pixel_size: float | tuple[float, float] | None = None,
    scale: float | None = None,
    step: float | None = None,
    constant_height: bool = False,
    strict: bool = False,
) -> ScanStack:
    """A stack from a file, or from several files, folders and patterns, one slice or more each.

    - Nanonis ``.sxm``, ``.3ds`` with sweeps of z, and ``.dat`` spectra at the points of a grid;
    - Createc ``.dat`` and spectra of z, ``.VERT``; GXSM ``.nc``; Omicron MATRIX images, ``_mtrx``;
    - Gwyddion ``.gwy``; PNG, TIFF and JPEG;
    - npz and HDF5 with the arrays of :class:`torch_afm.io.AFMStack`, and npz as ED-AFM publishes it;
    - what other packages register (:func:`scan_reader`).

    Whatever a file's own order of lines, x runs to the right and y upwards in the scan frame, which stays
    unturned (``meta["angle"]``, :meth:`ScanStack.microscope_positions`), and slices run from far to near;
    those at one height stay side by side (:func:`merge_repeats`). Values in kHz or mHz become Hz. What all
    slices must share, pixels, sizes, places, scan angles, biases, oscillations and the day, is compared, and
    images taken with the controller of the height on are no part of a stack. Of several files those are taken
    that make the longest series; ``meta["skipped"]`` names the others, and why they were left out.
    ``meta["amplitude"]`` [Å, peak to peak] and ``meta["f0"]`` [Hz] are what the headers say of the
    oscillation, ``meta["warnings"]`` what may be wrong.

    Args:
        path: the file or folder, a pattern (``day/*.sxm``), several of these, or a stack in memory, which
            goes the same road.
        channel: name of the channel, with or without its unit; that of the frequency shift where ``None``.
        direction: ``"forward"`` or ``"backward"``.
        heights: height of the tip at each image in Å, larger is farther, in the order of the names of the
            files, in which numbers count as such (2 before 10). Default: what the headers say. With heights
            or a step no file is left out.
        pixel_size: width and height of a pixel in Å, one number if equal. Default: what the headers say.
        scale: Hz in one unit of the file, for files that keep another (Createc, pictures).
        step: in place of ``heights``: how much nearer each image is than the one before it, in Å, the first
            at height 0.
        constant_height: the images are of constant height, whatever their headers say about the controller.
        strict: refuse files that cannot be read or do not fit the first one, instead of leaving them out.

    Raises:
        InputError: for anything wrong with a file, naming it, and whatever the headers do not tell and is not
            given; where files may be left out, only if none is left.
    """
    check_direction(direction)
    if step is not None and (heights is not None or not 0 < step < math.inf):
        raise InputError(f"step: expected a positive number of Å, and no heights beside it, got {step}")
    if scale is not None and (scale == 0 or not math.isfinite(scale)):
        raise InputError(f"scale: expected a finite number other than 0, in Hz, got {scale}")
    unread: list[Skipped] = []
    if isinstance(path, AFMStack):
        name = Path("stack")
        check_forward(name, direction)
        files = [ScanFile(name, stack_block(name, path, channel))]
        path = name
    else:
        strict = strict or heights is not None or step is not None
        files, unread = _read_files(expand_paths(path), channel, direction, strict)
    both = (pixel_size, pixel_size) if isinstance(pixel_size, int | float) else pixel_size
    if step is not None:
        heights = [0.0 - step * i for i in range(sum(len(block.values) for _, block in files))]
    factor = None if scale is None else (scale, "Hz")
    try:
        stack = assemble(files, heights, both, factor, constant_height, strict)
    except InputError as error:
        known = [str(file.path) for file in files]
        where = "" if any(name in str(error) for name in known) else f"{_describe(path)}: "
        raise InputError(f"{where}{error}") from None
    skipped = [list(file) for file in unread] + stack.meta.get("skipped", [])
    return stack.replace(meta=stack.meta | {"skipped": skipped}) if skipped else stack


def _read_files(
    paths: Sequence[Path], channel: str | None, direction: str, strict: bool
) -> tuple[list[ScanFile], list[Skipped]]:
    """The images of all files that can be read, and the others; those only where they may be left out."""
    files: list[ScanFile] = []
    skipped: list[Skipped] = []
    errors: list[InputError] = []
    for path in paths:
        try:
            files.append(ScanFile(path, read_block(path, channel, direction)))
        except InputError as error:
            if strict or len(paths) == 1:
                raise
            errors.append(error)
            skipped.append(Skipped(path.name, str(error).removeprefix(f"{path}: ")))
        held = sum(block.values.size for _, block in files)
        if held > _MAX_READ:
            raise InputError(
                f"path: expected files of at most {_MAX_READ} values in all, got {len(paths)} files with "
                "more; name those of one series, or give a pattern"
            )
    if not files:
        raise InputError(f"expected a file that can be read, got {len(paths)} that cannot: {errors[0]}")
    return files, skipped


def _describe(path: str | Path | Sequence[str | Path]) -> str:
    if isinstance(path, str | Path):
        return str(path)
    return f"{path[0]} and {len(path) - 1} more" if len(path) > 1 else str(path[0])


def read_stack(path: str | Path) -> AFMStack:
    """A stack as it is stored: a file of :func:`torch_afm.io.write_stack` with all its channels, anything
    else as :func:`read_scan` reads it, repeats as their mean.

    Args:
        path: the file or folder.

    Raises:
        InputError: as :func:`read_scan`, and for images that were not finished.
    """
    path = Path(path)
    if not path.is_dir() and (not path.is_file() or scan_format(path).name == "npz"):
        return read_npz_stack(path)
    stack = merge_repeats(read_scan(path))
    try:
        return stack.afm_stack()
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def expand_paths(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    """The files of paths: those of a folder whose endings are known, those that match a pattern, each once,
    in the order of the paths and then of their names, in which numbers count as such (2 before 10).

    Args:
        paths: files, folders and patterns (``day/*.sxm``), or one of them.

    Raises:
        InputError: for a path where there is no such file, and a folder or pattern without any.
    """
    files: list[Path] = []
    for given in [paths] if isinstance(paths, str | Path) else paths:
        path = Path(given)
        if path.is_file():
            files.append(path)
        elif path.is_dir():
            suffixes = scan_suffixes()
            found = [file for file in path.iterdir() if file.suffix.lower() in suffixes and file.is_file()]
            if not found:
                others = sorted((file for file in path.iterdir() if file.is_file()), key=_in_order)
                other = _first_other(others)
                raise InputError(f"{path}: expected files ending in {', '.join(suffixes)}, found none{other}")
            files += sorted(found, key=_in_order)
        else:
            matches = [Path(name) for name in glob.glob(str(path))]
            if not matches:
                raise InputError(f"{path}: no such file or folder")
            files += sorted((file for file in matches if file.is_file()), key=_in_order)
    if not 0 < len(files) <= _MAX_FILES:
        raise InputError(f"path: expected 1 to {_MAX_FILES} files, got {len(files)}")
    return list(dict.fromkeys(files))


def _first_other(files: Sequence[Path]) -> str:
    """What the first of some files is, that are not read."""
    for file in files[:1]:
        try:
            scan_format(file)
        except InputError as error:
            return f"; {file.name}: {str(error).removeprefix(f'{file}: ')}"
    return ""


def _in_order(file: Path) -> list[Any]:
    return [int(t) if t.isdecimal() else t for t in re.split(r"(\d+)", file.name)]
