"""The heights and the pixels of a model, as far as a scan has them."""

from __future__ import annotations

import math

import numpy as np

from torch_afm.config import Scan
from torch_afm.functional import network_slices
from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.utils import InputError

#: Smallest share of the model's range of heights that a scan must span; below 1 its steps are made smaller.
MIN_RANGE = 0.5

#: Pixels of the model's size along x and y that a scan must have.
_MIN_PIXELS = 16

#: Å: what lies between slices farther from each other cannot be interpolated.
_MAX_GAP = 0.5

#: Å: slices within less are of one height, or given in another unit.
_MIN_SPAN = 0.05

#: Å a pixel: coarser ones blur the contrast of bonds.
_COARSE = 0.5


def choose_heights(
    stack: ScanStack, model: Scan, top: float | None, warnings: list[str]
) -> tuple[float, np.ndarray]:
    """The step between the model's heights within those of the scan, and the heights, in Å.

    Args:
        stack: the scan.
        model: the scan that the model was made for.
        top: the farthest height in Å; ``None`` for the one that makes the nearest slice the nearest.
        warnings: what may be wrong is added to these.

    Raises:
        InputError: for too few heights, and for a ``top`` that leaves too few.
    """
    reach = model.dz * (model.n_slices - 1)
    first, last = float(stack.heights[0]), float(stack.heights[-1])
    min_range = MIN_RANGE * reach
    start = min(last + reach, first) if top is None else top
    span = min(reach, start - last)
    if top is not None and not last + min_range - 1e-3 <= start <= first + 1e-3:
        raise InputError(
            f"top: expected {last + min_range:.2f} to {first:.2f} Å, for at least {min_range:.2f} Å of "
            f"heights below it, got {start:.2f} Å"
        )
    if span < min_range - 1e-3 or (span <= 0 and model.n_slices > 1):
        raise InputError(
            f"heights: expected {reach:.2f} Å, or at least {min_range:.2f} Å, from the farthest to the "
            f"nearest slice, got {first - last:.2f} Å ({first:.2f} to {last:.2f} Å)"
        )
    dz = span / (model.n_slices - 1) if model.n_slices > 1 else model.dz
    if dz < model.dz * (1 - 1e-3):
        warnings.append(
            f"the scan spans {span:.2f} Å of height where the model expects {reach:.2f} Å: its slices are "
            f"{dz:.3f} instead of {model.dz:.3f} Å apart"
        )
    _check_measured(stack.heights, start, span, dz, warnings)
    _check_spread(stack, dz, warnings)
    return dz, start - dz * np.arange(model.n_slices)


def nearest_slices(stack: ScanStack, model: Scan, top: float | None, warnings: list[str]) -> ScanStack:
    """The measured slices that a network sees which takes any number of them: from the nearest on as far as
    its own reach, and no farther than to a gap of more than 0.5 Å.

    Args:
        stack: the scan.
        model: the scan of the network, the most slices that it takes.
        top: height in Å of the farthest slice to use, down from which the network's reach is; ``None`` for
            the nearest slice and those above it.
        warnings: what may be wrong is added to these.

    Raises:
        InputError: for a ``top`` that was not measured, and several slices at all but one height.
    """
    heights, reach = stack.heights, model.dz * (model.n_slices - 1)
    far, near = float(heights[0]), float(heights[-1])
    if len(heights) > 1 and far - near < _MIN_SPAN:
        raise InputError(
            f"heights: expected slices over at least {_MIN_SPAN} Å, got {len(heights)} over {far - near:.4g} "
            f"Å; were nm meant for Å, that is {10 * (far - near):.4g} Å"
        )
    if top is not None and not near - 1e-3 <= top <= far + 1e-3:
        raise InputError(f"top: expected {near:.2f} to {far:.2f} Å, got {top:.2f} Å")
    last = near if top is None else max(near, min(top, far) - reach)
    nearest = int(np.abs(heights - last).argmin())
    gaps = heights[:nearest] - heights[1 : nearest + 1]
    wide = np.flatnonzero(gaps > _MAX_GAP)
    first = int(wide[-1]) + 1 if len(wide) else 0
    # One more than the reach: what lies between two slices is interpolated.
    first = max(first, int((heights > heights[nearest] + reach - 1e-3).sum()) - 1)
    if len(wide) and heights[first] < heights[nearest] + reach - 1e-3:
        warnings.append(
            f"slices are up to {gaps.max():.2f} Å apart: only the nearest {nearest - first + 1} were used, "
            f"which are no farther than {_MAX_GAP} Å from the next; were pm meant for Å, the gap is "
            f"{gaps.max() / 100:.2f} Å"
        )
    _check_spread(stack, model.dz, warnings)
    if top is not None:
        first = max(first, min(int((heights > top + model.dz / 2).sum()), nearest))
    used = np.arange(len(heights))
    return stack.keep_slices((used >= first) & (used <= nearest))


def network_slots(stack: ScanStack, model: Scan) -> ScanStack:
    """Slices in the network's steps of height, by :func:`torch_afm.functional.network_slices`: those that
    were measured, the last one of which is the nearest."""
    weights, found = network_slices(stack.heights, model.n_slices, model.dz)
    heights = stack.heights[-1] + model.dz * np.arange(found.sum() - 1, -1, -1)
    return stack.replace(values=np.tensordot(weights[found], stack.values, 1), heights=heights)


def _check_spread(stack: ScanStack, dz: float, warnings: list[str]) -> None:
    spread = float(stack.meta.get("z_spread", 0.0))
    if spread > dz:
        warnings.append(
            f"the tip stood at heights that differ by {spread:.2f} Å between the pixels, more than the "
            f"{dz:.2f} Å from slice to slice: these are no images of constant height"
        )


def _check_measured(heights: np.ndarray, start: float, span: float, dz: float, warnings: list[str]) -> None:
    """How far what is measured reaches for what is asked."""
    inside = int(((heights <= start + 1e-3) & (heights >= start - span - 1e-3)).sum())
    if span > 0 and inside < 2:
        raise InputError(
            f"heights: expected at least 2 measured slices within {span:.2f} Å, got {inside}, "
            f"{-np.diff(heights).min():.4g} Å apart; were pm meant for Å, that is "
            f"{-np.diff(heights).min() / 100:.4g} Å"
        )
    used = heights[(heights <= start + dz) & (heights >= start - span - dz)]
    gap = float(-np.diff(used).min()) if len(used) > 1 else 0.0
    if gap > 2.5 * dz:
        warnings.append(
            f"the measured slices are {gap:.2f} Å apart, {inside} of them are used; what lies between them "
            "is interpolated"
        )


def resample_to_pixels(
    stack: ScanStack,
    scan: Scan,
    heights: np.ndarray,
    center: tuple[float, float] | None,
    warnings: list[str],
    any_size: bool = False,
) -> ScanStack:
    """The stack on pixels of the model's size.

    Args:
        stack: the scan.
        scan: the model's window and pixels.
        heights: those to be had, in Å.
        center: of one window of the model's size, in Å; ``None`` for all of the scan.
        warnings: what may be wrong is added to these.
        any_size: whether the model takes a scan of any size.

    Raises:
        InputError: for a scan that is too small.
    """
    axes = []
    small = False
    if max(stack.pixel_size) > _COARSE:
        warnings.append(
            f"the pixels of the scan are {max(stack.pixel_size):.2f} Å wide, those of the model "
            f"{scan.pixel_size[0]:.2f} Å: what lies between them is interpolated"
        )
    for k, name in enumerate("xy"):
        n, pitch = scan.pixels[k], scan.pixel_size[k]
        low, high = stack.window[k]
        # A pixel stands for its whole area, but is asked for its edge only where the model's size needs it.
        inside, extent = high - low, high - low + stack.pixel_size[k]
        count = math.floor(inside / pitch + 1e-6) + 1
        if any_size:
            count -= count % 2  # A network of maps halves them.
        if center is not None or (not any_size and count < n and extent / pitch + 1e-6 >= n - 1):
            count = n
        if count < _MIN_PIXELS:
            unfinished = [w for w in warnings if "not finished" in w]
            hint = unfinished[0] if unfinished else f"were nm meant for Å, it is {10 * extent:.1f} Å"
            raise InputError(
                f"scan: expected at least {_MIN_PIXELS * pitch:.1f} Å in {name}, got {extent:.2f} Å; {hint}"
            )
        small |= count < n
        middle = (low + high) / 2 if center is None else center[k]
        axes.append(middle + pitch * (np.arange(count) - (count - 1) / 2))
    if small and not any_size:
        (x0, x1), (y0, y1) = scan.window
        wide, high = (e - b + p for (b, e), p in zip(stack.window, stack.pixel_size, strict=True))
        warnings.append(
            f"the scan is {wide:.1f} x {high:.1f} Å wide, the network looks at {x1 - x0:.0f} x "
            f"{y1 - y0:.0f} Å: what it finds near the edges is unsure, and nothing is known beyond them"
        )
    return stack.resample(axes[0], axes[1], heights)
