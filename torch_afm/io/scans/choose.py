"""Which images of several files make one stack."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from torch_afm.io.scans.scan_block import ScanBlock, compare_settings, frame_turn
from torch_afm.utils import InputError

#: Largest relative difference between the sizes of slices, and between the steps of a grid of points.
TOLERANCE = 1e-3

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
    files: Sequence[ScanFile], constant_height: bool = False, strict: bool = False
) -> tuple[list[ScanFile], list[Skipped]]:
    """The files whose images make one stack: as many pixels, of one size, unit, place, scan angle and
    oscillation, at heights that were not controlled. Of several such series the one of the most images is
    taken, images before curves at single points; of equally many the first.

    Args:
        files: what was read.
        constant_height: the images are of constant height, whatever the files say about the controller.
        strict: refuse what does not fit the first file, instead of leaving it out.

    Raises:
        InputError: with ``strict``, for a file that does not fit; else where none is left.
    """
    reasons = {id(file): reason for file in files if (reason := unusable_reason(file.block, constant_height))}
    if reasons and (strict or len(reasons) == len(files)):
        file = next(file for file in files if id(file) in reasons)
        raise InputError(f"{file.path}: {reasons[id(file)]}")
    series = group_images([file for file in files if id(file) not in reasons])
    if strict and len(series) > 1:
        first, other = series[0][0], series[1][0]
        raise InputError(f"{other.path}: {mismatch(first, other)}")
    chosen = max(series, key=lambda group: (_is_image(group[0]), _count(group)))
    for file in files:
        if id(file) not in reasons and not any(file is other for other in chosen):
            reasons[id(file)] = mismatch(chosen[0], file) or "it belongs to another series"
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


def group_images(files: Sequence[ScanFile]) -> list[list[ScanFile]]:
    """Series of files whose images fit each other, in the order of their first files."""
    series: list[list[ScanFile]] = []
    for file in files:
        for group in series:
            if mismatch(group[0], file) is None:
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


def _compare_curves(path: Path, a: ScanBlock, b: ScanBlock) -> str | None:
    if a.heights is None or b.heights is None:
        return "points: expected heights, got none"
    if a.heights.shape != b.heights.shape or not np.allclose(a.heights, b.heights, rtol=0, atol=_HEIGHT):
        return f"points: expected the heights of {path.name}, got others"
    return None


def _is_image(file: ScanFile) -> bool:
    return file.block.values.shape[1:] != (1, 1)


def _count(group: Sequence[ScanFile]) -> int:
    return sum(len(file.block.values) for file in group)


def _by(size: tuple[float, float]) -> str:
    return f"{size[0]:.4g} x {size[1]:.4g}"


def _at(center: tuple[float, float]) -> str:
    return f"{center[0]:.1f}, {center[1]:.1f}"
