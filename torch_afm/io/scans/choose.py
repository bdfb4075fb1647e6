"""Which images of several files make one stack."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from torch_afm.io.scans.scan_block import ScanBlock, compare_settings, frame_turn
from torch_afm.utils import InputError

#: Largest relative difference between the sizes of slices, and between the steps of a grid of points.
TOLERANCE = 1e-3

#: Share of an image from which on it counts as measured.
_FINISHED = 0.5

#: Seconds without an image after which another series begins.
_PAUSE = 3 * 3600.0

_OTHER_SERIES = (
    "it belongs to another series: other files were measured more than three hours earlier or later, or one "
    "of them holds several images; where they are one series, give heights"
)

#: Å by which the heights of the points of a grid may differ.
_HEIGHT = 1e-3


class ScanFile(NamedTuple):
    """A file and the images that were read from it."""

    path: Path
    block: ScanBlock


class Skipped(NamedTuple):
    """A file that was left out, and why."""

    name: str
    reason: str


def choose_images(
    files: Sequence[ScanFile],
    constant_height: bool = False,
    strict: bool = False,
    one_series: bool = False,
) -> tuple[list[ScanFile], list[Skipped]]:
    """The files whose images make one stack (:func:`group_images`), at heights that were not controlled. Of
    several series the one of the most images is taken, images before curves at single points; of equally many
    the first.

    Args:
        files: what was read.
        constant_height: the images are of constant height, whatever the files say about the controller.
        strict: refuse what does not fit the first file, instead of leaving it out.
        one_series: the files are known to be one series, as where heights are given: what does not fit is
            refused, and other times and files of several images are taken.

    Raises:
        InputError: with ``strict`` or ``one_series``, for a file that does not fit; else where none is left.
    """
    reasons = {id(file): reason for file in files if (reason := unusable_reason(file.block, constant_height))}
    strict = strict or one_series
    if reasons and (strict or len(reasons) == len(files)):
        file = next(file for file in files if id(file) in reasons)
        raise InputError(f"{file.path}: {reasons[id(file)]}")
    series = group_images([file for file in files if id(file) not in reasons], one_series)
    if strict and len(series) > 1:
        first, other = series[0][0], series[1][0]
        raise InputError(f"{other.path}: {mismatch(first, other) or _OTHER_SERIES}")
    chosen = max(series, key=lambda group: (_is_image(group[0]), _count(group)))
    for file in files:
        if id(file) not in reasons and not any(file is other for other in chosen):
            reasons[id(file)] = mismatch(chosen[0], file) or _OTHER_SERIES
    return chosen, [Skipped(file.path.name, reasons[id(file)]) for file in files if id(file) in reasons]


def unusable_reason(block: ScanBlock, constant_height: bool) -> str | None:
    """Why images can be part of no stack; ``None`` where they can."""
    if block.meta.get("feedback") == "ON" and not constant_height:
        return (
            "expected an image of constant height, got one whose header says that the controller of the "
            "height was on; where it was not, give constant_height"
        )
    if block.heights is not None and not np.isfinite(block.heights).all():
        return "heights: expected finite numbers, got a NaN or an infinity"
    for name, values in (("size", block.size or ()), ("center", block.center)):
        if not np.isfinite(values).all():
            return f"{name}: expected finite numbers of Å, got {values}"
    if not np.isfinite(block.values).any():
        return "values: expected measured ones, got nothing but NaN"
    return None


def group_images(files: Sequence[ScanFile], one_series: bool = False) -> list[list[ScanFile]]:
    """Series of files whose images fit each other, in the order of their first files: as many pixels, of one
    size, unit, place, scan angle, bias and oscillation, no more than three hours without an image between
    them; numbered pictures of one name. A file of several images is a series by itself.

    Args:
        files: what was read, in the order in which it was measured.
        one_series: times and files of several images do not count.
    """
    series: list[list[ScanFile]] = []
    for file in files:
        for group in series:
            # Several images of one file are a series by themselves.
            separate = _is_whole(file) or _is_whole(group[0]) or not _follows(group, file)
            if mismatch(group[0], file) is None and (one_series or not separate):
                group.append(file)
                break
        else:
            series.append([file])
    return series


def mismatch(first: ScanFile, other: ScanFile) -> str | None:
    """Why images cannot belong to the stack of others, in words; ``None`` where they can."""
    (path, a), (_, b) = first, other
    (ny, nx), (my, mx) = a.values.shape[1:], b.values.shape[1:]
    if (nx, ny, a.unit) != (mx, my, b.unit):
        return f"expected {nx} x {ny} pixels in {a.unit!r} as in {path.name}, got {mx} x {my} in {b.unit!r}"
    if reason := compare_settings((path.name, a.meta), b.meta):
        return reason
    if a.channel == b.channel == "gray" and (reason := _compare_names(path, other.path)):
        return reason
    if a.size is None or b.size is None:
        return None
    if any(not math.isclose(p, q, rel_tol=TOLERANCE) for p, q in zip(a.size, b.size, strict=True)):
        return f"size: expected {_by(a.size)} Å as in {path.name}, got {_by(b.size)} Å"
    if not _is_image(first):
        return _compare_curves(path, a, b)
    moved = frame_turn(a.meta).T @ np.subtract(b.center, a.center)
    if (np.abs(moved) > np.divide(a.size, 2)).any():
        return (
            f"center: expected the place of {path.name} ({_at(a.center)} Å), got {_at(b.center)} Å, more "
            "than half of the frame away"
        )
    return None


def _compare_names(first: Path, other: Path) -> str | None:
    """Numbered pictures, which tell nothing of their places, belong together by their names."""
    a, b = (re.fullmatch(r"(.*?)[\W_]*\d+", path.stem) for path in (first, other))
    if a is None or b is None or a[1] == b[1]:
        return None
    return f"expected a picture named {a[1]!r} and a number as {first.name}, got one named {b[1]!r}"


def _compare_curves(path: Path, a: ScanBlock, b: ScanBlock) -> str | None:
    if a.heights is None or b.heights is None:
        return "points: expected heights, got none"
    if a.heights.shape != b.heights.shape or not np.allclose(a.heights, b.heights, rtol=0, atol=_HEIGHT):
        return f"points: expected the heights of {path.name}, got others"
    return None


def _is_whole(file: ScanFile) -> bool:
    return len(file.block.values) > 1 and _is_image(file)


def _follows(group: Sequence[ScanFile], file: ScanFile) -> bool:
    """Whether an image was taken no more than three hours before or after one of a group, as far as files
    tell."""
    if "time" not in file.block.meta or not all("time" in other.block.meta for other in group):
        return True
    for other in group:
        first, second = sorted((file.block.meta, other.block.meta), key=lambda meta: float(meta["time"]))
        if second["time"] - first["time"] - first.get("duration", 0.0) <= _PAUSE:
            return True
    return False


def _is_image(file: ScanFile) -> bool:
    return file.block.values.shape[1:] != (1, 1)


def _count(group: Sequence[ScanFile]) -> float:
    """Images that were measured, unfinished ones by less than half."""
    shares = [np.isfinite(file.block.values).mean(axis=(1, 2)) for file in group]
    return float(sum((share >= _FINISHED).sum() + 0.5 * share.max() for share in shares))


def _by(size: tuple[float, float]) -> str:
    return f"{size[0]:.4g} x {size[1]:.4g}"


def _at(center: tuple[float, float]) -> str:
    return f"{center[0]:.1f}, {center[1]:.1f}"
