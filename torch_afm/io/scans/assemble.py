"""One stack out of the images of several files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from torch_afm.io.scans.scan_block import MAX_VALUES, ScanBlock, check_common, check_size, unit_factor
from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.utils import InputError

#: Largest relative difference between the sizes of slices, and between the steps of a grid of points.
_TOLERANCE = 1e-3

#: Share of the frame by which frames that follow drift may be moved before it is worth a warning.
_MOVED = 0.1


def assemble(
    files: Sequence[tuple[Path, ScanBlock]],
    heights: Sequence[float] | None = None,
    pixel_size: tuple[float, float] | None = None,
    scale: tuple[float, str] | None = None,
    constant_height: bool = False,
) -> ScanStack:
    """A stack of all images, ordered from far to near.

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

    Raises:
        InputError: for images of different shapes, sizes, places, angles, oscillations or units, no or equal
            heights, a height that was controlled, points that form no grid.
    """
    names = [path.name for path, block in files for _ in range(len(block.values))]
    blocks = [block for _, block in files]
    if len(blocks) > 1 and all(block.values.shape[1:] == (1, 1) for block in blocks):
        blocks = [_mosaic(blocks)]
        names = [f"{files[0][0].name} to {files[-1][0].name}"] * len(blocks[0].values)
    shape, unit = blocks[0].values.shape[1:], blocks[0].unit
    for path, block in files:
        if block.meta.get("feedback") == "ON" and not constant_height:
            raise InputError(
                f"{path}: expected an image of constant height, got one whose header says that the "
                "controller of the height was on; where it was not, give constant_height"
            )
    check_common([(path.name, block.meta) for path, block in files])
    for (path, _), block in zip(files, blocks, strict=False):
        if block.values.shape[1:] != shape or block.unit != unit:
            raise InputError(
                f"{path}: expected {shape[1]} x {shape[0]} pixels in {unit!r} as in {files[0][0].name}, "
                f"got {block.values.shape[2]} x {block.values.shape[1]} in {block.unit!r}"
            )
    check_size(files[0][0], sum(block.values.size for block in blocks), MAX_VALUES)
    order, z = _order(names, blocks, heights)
    size, centers = _frame(names, blocks, pixel_size)
    nearest = centers[order[-1]]
    hertz = unit_factor(unit, "Hz")
    factor, unit = scale or ((1.0, unit) if hertz is None else (hertz, "Hz"))
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
        meta=_meta([blocks[i] for i in owner[order]], [names[i] for i in order], centers[order], size),
    )


def _meta(
    blocks: Sequence[ScanBlock], names: Sequence[str], centers: np.ndarray, size: tuple[float, float]
) -> dict[str, Any]:
    """What is kept of all slices, far to near: the settings of the nearest file that tells them, the warnings
    of all, and where each slice comes from, once where it is the same for all."""
    meta: dict[str, Any] = {}
    for block in blocks:
        meta |= block.meta
    # Only constant height comes so far.
    meta.pop("feedback", None)
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
    }


def _order(
    names: Sequence[str], blocks: Sequence[ScanBlock], heights: Sequence[float] | None
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
            raise InputError("heights: expected the files to tell them, got none; give heights in Å")
        z = np.concatenate([block.heights for block in blocks if block.heights is not None])
    if not np.isfinite(z).all():
        raise InputError("heights: expected finite numbers, got a NaN or an infinity")
    order = np.argsort(-z, kind="stable")
    same = np.flatnonzero(np.diff(z[order]) == 0)
    if len(same):
        a, b = (names[order[same[0] + k]] for k in (0, 1))
        raise InputError(
            f"heights: expected a different one for each image, got {a} and {b} at the same; leave one of "
            "them out, or give heights"
        )
    return order, z


def _frame(
    names: Sequence[str],
    blocks: Sequence[ScanBlock],
    pixel_size: tuple[float, float] | None,
) -> tuple[tuple[float, float], np.ndarray]:
    """Size of the frame, and center of each image, in Å."""
    ny, nx = blocks[0].values.shape[1:]
    if pixel_size is not None:
        if not all(0 < p < np.inf for p in pixel_size):
            raise InputError(f"pixel_size: expected positive numbers of Å, got {pixel_size}")
        sizes = [(pixel_size[0] * nx, pixel_size[1] * ny)] * len(blocks)
    else:
        sizes = [block.size for block in blocks if block.size is not None]
        if len(sizes) < len(blocks):
            raise InputError("pixel_size: expected the files to tell it, got none; give pixel_size in Å")
    owners = [names[i] for i in np.cumsum([0, *(len(block.values) for block in blocks[:-1])])]
    bad = ~np.isclose(sizes, sizes[0], rtol=_TOLERANCE, atol=0).all(axis=1) | ~np.isfinite(sizes).all(axis=1)
    if bad.any():
        i = int(np.argmax(bad))
        raise InputError(
            f"size: expected slices of one size, got {_by(sizes[i])} Å in {owners[i]} and {_by(sizes[0])} Å "
            f"in {owners[0]}"
        )
    centers = np.array([block.center for block in blocks])
    far = ~(np.abs(centers - centers[0]) <= np.array(sizes[0]) / 2).all(axis=1)
    if far.any():
        i = int(np.argmax(far))
        raise InputError(
            f"center: expected slices of one place, got {owners[i]} and {owners[0]}, whose frames lie more "
            "than half their size apart"
        )
    return sizes[0], np.repeat(centers, [len(block.values) for block in blocks], axis=0)


def _by(size: tuple[float, float]) -> str:
    return f"{size[0]:.4g} x {size[1]:.4g}"


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
