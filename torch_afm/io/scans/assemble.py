"""One stack out of the images of several files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from torch_afm.io.scans.scan_block import MAX_VALUES, ScanBlock, check_size
from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.utils import InputError

#: Largest relative difference between the sizes of slices, and between the steps of a grid of points.
_TOLERANCE = 1e-3


def assemble(
    files: Sequence[tuple[Path, ScanBlock]],
    heights: Sequence[float] | None = None,
    pixel_size: tuple[float, float] | None = None,
    scale: tuple[float, str] | None = None,
) -> ScanStack:
    """A stack of all images, ordered from far to near.

    Each slice lies in its own scan frame; frames may be moved against each other to follow drift, by less
    than half their size, and are put on top of each other: the stack has the frame of the nearest slice, and
    ``meta["centers"]`` says where each was. Spectra at single points make a volume if their points form a
    grid.

    Args:
        files: the images and where each comes from.
        heights: of all images in the order of the files, in Å; those of the files where ``None``.
        pixel_size: width and height of a pixel in Å; that of the files where ``None``.
        scale: what values are multiplied by, and the unit they then have.

    Raises:
        InputError: for images of different shapes, sizes, places or units, no or equal heights, points that
            form no grid.
    """
    names = [path.name for path, block in files for _ in range(len(block.values))]
    blocks = [block for _, block in files]
    if len(blocks) > 1 and all(block.values.shape[1:] == (1, 1) for block in blocks):
        blocks = [_mosaic(blocks)]
        names = [f"{files[0][0].name} to {files[-1][0].name}"] * len(blocks[0].values)
    shape, unit = blocks[0].values.shape[1:], blocks[0].unit
    for (path, _), block in zip(files, blocks, strict=False):
        if block.values.shape[1:] != shape or block.unit != unit:
            raise InputError(
                f"{path}: expected {shape[1]} x {shape[0]} pixels in {unit!r} as in {files[0][0].name}, "
                f"got {block.values.shape[2]} x {block.values.shape[1]} in {block.unit!r}"
            )
    check_size(files[0][0], sum(block.values.size for block in blocks), MAX_VALUES)
    order, z = _order(names, blocks, heights)
    size, centers = _frame(files, blocks, pixel_size)
    nearest = centers[order[-1]]
    factor, unit = (1.0, unit) if scale is None else scale
    half = [extent * (1 - 1 / n) / 2 for extent, n in zip(size, shape[::-1], strict=True)]
    x, y = ((float(c - h), float(c + h)) for c, h in zip(nearest, half, strict=True))
    owner = np.repeat(np.arange(len(blocks)), [len(block.values) for block in blocks])
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.concatenate([block.values for block in blocks])[order] * factor
    return ScanStack(
        values=values,
        heights=z[order],
        window=(x, y),
        unit=unit,
        channel=blocks[0].channel,
        direction=blocks[0].direction,
        meta=blocks[owner[order[-1]]].meta
        | {"files": [names[i] for i in order], "centers": centers[order].tolist()},
    )


def _order(
    names: Sequence[str], blocks: Sequence[ScanBlock], heights: Sequence[float] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Images from far to near, and the heights of all."""
    if heights is not None:
        z = np.asarray(heights, dtype=np.float64)
        if z.shape != (len(names),):
            raise InputError(f"heights: expected one for each of {len(names)} images, got {z.size}")
    else:
        if any(block.heights is None for block in blocks):
            raise InputError("heights: expected the files to tell them, got none; give heights in Å")
        z = np.concatenate([block.heights for block in blocks if block.heights is not None])
    if not np.isfinite(z).all():
        raise InputError("heights: expected finite numbers, got a NaN or an infinity")
    order = np.argsort(-z, kind="stable")
    same = np.flatnonzero(np.diff(z[order]) == 0)
    if len(same):
        a, b = (names[order[same[0] + k]] for k in (0, 1))
        raise InputError(f"heights: expected a different one for each image, got {a} and {b} at the same")
    return order, z


def _frame(
    files: Sequence[tuple[Path, ScanBlock]],
    blocks: Sequence[ScanBlock],
    pixel_size: tuple[float, float] | None,
) -> tuple[tuple[float, float], np.ndarray]:
    """Size of the frame, and centre of each image, in Å."""
    ny, nx = blocks[0].values.shape[1:]
    if pixel_size is not None:
        if not all(0 < p < np.inf for p in pixel_size):
            raise InputError(f"pixel_size: expected positive numbers of Å, got {pixel_size}")
        sizes = [(pixel_size[0] * nx, pixel_size[1] * ny)] * len(blocks)
    else:
        sizes = [block.size for block in blocks if block.size is not None]
        if len(sizes) < len(blocks):
            raise InputError("pixel_size: expected the files to tell it, got none; give pixel_size in Å")
    if not np.allclose(sizes, sizes[0], rtol=_TOLERANCE, atol=0) or not np.isfinite(sizes).all():
        raise InputError("size: expected slices of one size, got different ones")
    centers = np.concatenate([np.tile(b.center, (len(b.values), 1)) for b in blocks])
    if (np.ptp(centers, axis=0) > np.array(sizes[0]) / 2).any() or not np.isfinite(centers).all():
        raise InputError(
            f"{files[0][0].parent}: expected slices of one place, got frames more than half their size apart"
        )
    return sizes[0], centers


def _mosaic(blocks: Sequence[ScanBlock]) -> ScanBlock:
    """A volume out of curves at points that form a grid."""
    first = blocks[0]
    for block in blocks:
        if block.heights is None or first.heights is None or block.unit != first.unit:
            raise InputError("points: expected heights and one unit for each, got none or others")
        if block.heights.shape != first.heights.shape or not np.allclose(
            block.heights, first.heights, rtol=0, atol=_TOLERANCE
        ):
            raise InputError("points: expected the same heights at each, got different ones")
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
    large = gaps > _TOLERANCE * max(gaps.max(), 1e-9)
    axis = ordered[np.concatenate([[True], large])]
    steps = np.diff(axis)
    if len(steps) and np.ptp(steps) > 0.01 * steps.mean():
        raise InputError("points: expected evenly spaced ones, got steps that differ")
    return axis
