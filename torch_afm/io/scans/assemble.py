"""One stack out of the images of several files."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from torch_afm.io.scans.choose import TOLERANCE, ScanFile, choose_images
from torch_afm.io.scans.scan_block import MAX_VALUES, ScanBlock, check_size, unit_factor
from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.utils import InputError

#: Share of the frame by which frames that follow drift may be moved before it is worth a warning.
_MOVED = 0.1


def assemble(
    files: Sequence[ScanFile],
    heights: Sequence[float] | None = None,
    pixel_size: tuple[float, float] | None = None,
    scale: tuple[float, str] | None = None,
    constant_height: bool = False,
    strict: bool = False,
) -> ScanStack:
    """A stack of the images that belong together (:func:`choose_images`), ordered from far to near, those at
    one height by their times.

    Each slice lies in its own scan frame; frames may be moved against each other to follow drift, by less
    than half their size, and are put on top of each other: the stack has the frame of the nearest slice, and
    ``meta["centers"]`` says where each was. Spectra at single points make a volume if their points form a
    grid. Values in a multiple of Hz become Hz.

    Args:
        files: the images and where each comes from.
        heights: of all images in the order of the files, in Å; those of the files where ``None``.
        pixel_size: width and height of a pixel in Å; that of the files where ``None``.
        scale: what values are multiplied by, and the unit they then have.
        constant_height: the images are of constant height, whatever the files say about the controller.
        strict: refuse files that do not fit the first one, instead of leaving them out.

    Raises:
        InputError: for no heights, a height that was controlled, points that form no grid, too many values;
            with ``strict`` or given ``heights`` for images of different shapes, sizes, places, angles,
            oscillations or units.
    """
    if pixel_size is not None:
        if not all(0 < p < np.inf for p in pixel_size):
            raise InputError(f"pixel_size: expected positive numbers of Å, got {pixel_size}")
        files = [ScanFile(file.path, _resized(file.block, pixel_size)) for file in files]
    # Heights are given to all files, in their order.
    files, skipped = choose_images(files, constant_height, strict, heights is not None)
    names = [path.name for path, block in files for _ in range(len(block.values))]
    blocks = [block for _, block in files]
    if len(blocks) > 1 and all(block.values.shape[1:] == (1, 1) for block in blocks):
        blocks = [_mosaic(blocks)]
        names = [f"{files[0].path.name} to {files[-1].path.name}"] * len(blocks[0].values)
        blocks = blocks if pixel_size is None else [_resized(blocks[0], pixel_size)]
    shape, unit = blocks[0].values.shape[1:], blocks[0].unit
    check_size(files[0].path, sum(block.values.size for block in blocks), MAX_VALUES)
    counts = [len(block.values) for block in blocks]
    times = _times(blocks)
    order, z = _order(names, blocks, heights, times)
    size = blocks[0].size
    if size is None:
        raise InputError("pixel_size: expected the files to tell it, got none; give it in Å (--pixel-size)")
    centers = np.repeat([block.center for block in blocks], counts, axis=0)
    nearest = centers[order[-1]]
    hertz = unit_factor(unit, "Hz")
    factor, unit = scale or ((1.0, unit) if hertz is None else (hertz, "Hz"))
    half = [extent * (1 - 1 / n) / 2 for extent, n in zip(size, shape[::-1], strict=True)]
    x, y = ((float(c - h), float(c + h)) for c, h in zip(nearest, half, strict=True))
    owner = np.repeat(np.arange(len(blocks)), counts)
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.concatenate([block.values for block in blocks])[order] * factor
    meta = _meta([blocks[i] for i in owner[order]], [names[i] for i in order], centers[order], size)
    if times is not None:
        meta["times"] = times[order].tolist()
    elif len(blocks) > 1:
        # Files are named in the order in which they were measured.
        meta["order"] = order.tolist()
    if skipped:
        meta["skipped"] = [list(file) for file in skipped]
    return ScanStack(
        values=values,
        heights=z[order],
        window=(x, y),
        unit=unit,
        channel=blocks[0].channel,
        direction=blocks[0].direction,
        meta=meta,
    )


def _resized(block: ScanBlock, pixel_size: tuple[float, float]) -> ScanBlock:
    _, ny, nx = block.values.shape
    return dataclasses.replace(block, size=(pixel_size[0] * nx, pixel_size[1] * ny))


def _meta(
    blocks: Sequence[ScanBlock], names: Sequence[str], centers: np.ndarray, size: tuple[float, float]
) -> dict[str, Any]:
    """What is kept of all slices, far to near: the settings of the nearest file that tells them, the warnings
    of all, and where each slice comes from, once where it is the same for all."""
    meta: dict[str, Any] = {}
    for block in blocks:
        meta |= block.meta
    # Only constant height comes so far; times are kept of each slice.
    for key in ("feedback", "time", "duration"):
        meta.pop(key, None)
    warnings = list(dict.fromkeys(w for block in blocks for w in block.meta.get("warnings", [])))
    moved = float(np.linalg.norm(np.ptp(centers, axis=0)))
    if moved > _MOVED * max(size) > 0:
        warnings.append(
            f"the files say that the frames were moved by up to {moved:.1f} Å against each other: they are "
            "put on top of each other, as if that had followed drift"
        )
    if warnings:
        meta["warnings"] = warnings
    single = len(set(names)) == 1
    return meta | {
        "files": list(names[:1]) if single else list(names),
        "centers": (centers[:1] if single else centers).tolist(),
        # A stack that was stored knows where its frame was; its window may be a part of that.
        "center": meta.get("center", centers[-1].tolist()),
    }


def _times(blocks: Sequence[ScanBlock]) -> np.ndarray | None:
    """The middle of the time that each image took, in s since 1970; ``None`` where not all tell."""
    if any("time" not in block.meta or len(block.values) > 1 for block in blocks):
        return None
    return np.array([block.meta["time"] + block.meta.get("duration", 0.0) / 2 for block in blocks])


def _order(
    names: Sequence[str],
    blocks: Sequence[ScanBlock],
    heights: Sequence[float] | None,
    times: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Images from far to near, and the heights of all."""
    if heights is None and len(blocks) == len(blocks[0].values) == 1 and blocks[0].heights is None:
        heights = [0.0]  # of a single image: there is nothing to compare it with
    if heights is not None:
        z = np.asarray(heights, dtype=np.float64)
        if z.shape != (len(names),):
            raise InputError(f"heights: expected one for each of {len(names)} images, got {z.size}")
    else:
        if any(block.heights is None for block in blocks):
            raise InputError(
                "heights: expected the files to tell them, got none; give heights, or the step from image to "
                "image, in Å (--heights, --step)"
            )
        z = np.concatenate([block.heights for block in blocks if block.heights is not None])
    if not np.isfinite(z).all():
        raise InputError("heights: expected finite numbers, got a NaN or an infinity")
    when = np.arange(len(z)) if times is None else times
    return np.lexsort((when, -z)), z


def _mosaic(blocks: Sequence[ScanBlock]) -> ScanBlock:
    """A volume out of curves at points that form a grid."""
    first = blocks[0]
    centers = np.array([block.center for block in blocks])
    axes = [_axis(values) for values in centers.T]
    index = [
        np.rint((v - axis[0]) / (axis[1] - axis[0])).astype(int) if len(axis) > 1 else np.zeros(len(v), int)
        for v, axis in zip(centers.T, axes, strict=True)
    ]
    nx, ny = (len(axis) for axis in axes)
    if nx * ny != len(blocks) or len(set(zip(*index, strict=True))) != len(blocks):
        raise InputError(f"points: expected a grid of {nx} x {ny}, got {len(blocks)} points")
    values = np.empty((len(first.values), ny, nx))
    for block, i, j in zip(blocks, *index, strict=True):
        values[:, j, i] = block.values[:, 0, 0]
    steps = [axis[1] - axis[0] if len(axis) > 1 else 0.0 for axis in axes]
    return ScanBlock(
        values=values,
        heights=first.heights,
        size=(float(steps[0] * nx), float(steps[1] * ny)),
        center=(float(axes[0].mean()), float(axes[1].mean())),
        unit=first.unit,
        channel=first.channel,
        direction=first.direction,
        meta=first.meta,
    )


def _axis(values: np.ndarray) -> np.ndarray:
    """The evenly spaced positions that ``values`` take."""
    ordered = np.sort(values)
    gaps = np.diff(ordered)
    # Positions that differ by less than a thousandth of the largest step are one.
    large = gaps > TOLERANCE * max(gaps.max(), 1e-9)
    axis = ordered[np.concatenate([[True], large])]
    steps = np.diff(axis)
    if len(steps) and np.ptp(steps) > 0.01 * steps.mean():
        raise InputError("points: expected evenly spaced ones, got steps that differ")
    return axis
