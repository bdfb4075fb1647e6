"""What is done to a scan before it is brought to a model's pixels and heights: unfinished lines, cuts, tilt,
drift, repeats."""

from __future__ import annotations

import math

import numpy as np

from torch_afm.config.prediction import ScanPreparation
from torch_afm.io.scans.corrections import flatten_lines, flatten_plane
from torch_afm.io.scans.crop import crop, crop_finished
from torch_afm.io.scans.drift import Drift, align_slices, estimate_drift
from torch_afm.io.scans.repeats import merge_repeats
from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.utils import InputError

#: Å by which two slices depart from a smooth drift that are worth a warning.
_LEAP = 2.0

#: Å by which heights may lie outside, against rounding.
_ROUNDING = 1e-3

#: A slice with less contrast than this share of the largest value shows nothing.
_FLAT = 1e-6


def level_scan(
    stack: ScanStack, settings: ScanPreparation, steps: list[tuple[str, str]], warnings: list[str]
) -> ScanStack:
    """All that is done before heights and pixels are chosen.

    Args:
        stack: the scan as it was read.
        settings: what is done.
        steps: what was done is added to these, name and text.
        warnings: what may be wrong is added to these.

    Raises:
        InputError: for a scan that shows nothing, and cuts that leave nothing.
    """
    if not np.isfinite(stack.values).all():
        stack = _finished(stack, steps, warnings)
    drift = None
    if settings.align != "never" and len(stack.values) > 1:
        # Before anything is cut: all slices and pixels tell how the sample moved.
        drift = _find_drift(stack, warnings)
    if settings.bottom is not None:
        kept = _above(stack, settings.bottom, steps)
        stack = stack.keep_slices(kept)
        drift = None if drift is None else drift.keep_slices(kept)
    if settings.window is not None:
        stack = crop(stack, settings.window)
        steps.append(("window", f"cut to {describe_window(stack)}"))
    _check_contrast(stack)
    stack = _flatten(stack, settings.flatten, steps)
    if drift is not None and len(stack.values) > 1:
        stack = _align(stack, drift, settings.align == "always", steps, warnings)
    return _merge(stack, settings, steps)


def _above(stack: ScanStack, bottom: float, steps: list[tuple[str, str]]) -> np.ndarray:
    """Which slices are at and above a height, ``[Z]`` booleans."""
    kept = stack.heights >= bottom - _ROUNDING
    if not kept.any():
        raise InputError(
            f"bottom: expected at most {stack.heights[0]:.2f} Å, the farthest slice, got {bottom:.2f} Å"
        )
    steps.append(("bottom", f"{len(kept) - kept.sum()} slices nearer than {bottom:.2f} Å were left out"))
    return kept


def _finished(stack: ScanStack, steps: list[tuple[str, str]], warnings: list[str]) -> ScanStack:
    """What was measured, and what was not in words."""
    found = crop_finished(stack)
    (n, lines, _), (kept, kept_lines, _) = stack.values.shape, found.values.shape
    parts = []
    if kept_lines < lines:
        parts.append(f"{lines - kept_lines} of {lines} lines")
    if kept < n:
        low, high = found.heights[-1] + 0.0, found.heights[0] + 0.0
        parts.append(f"{n - kept} of {n} heights (left: {high:.2f} to {low:.2f} Å)")
    warnings.append(f"{' and '.join(parts)} were left out as not finished")
    steps.append(("unfinished", warnings[-1]))
    return found


def _check_contrast(stack: ScanStack) -> None:
    contrast = np.ptp(stack.values, axis=(1, 2))
    flat = contrast <= _FLAT * np.abs(stack.values).max(axis=(1, 2))
    if flat.any():
        where = ", ".join(f"{z:g}" for z in stack.heights[flat][:5])
        raise InputError(
            f"values: expected images with contrast, got {int(flat.sum())} without (heights {where} Å)"
        )


def _flatten(stack: ScanStack, method: str, steps: list[tuple[str, str]]) -> ScanStack:
    if method == "none":
        return stack
    flat = (flatten_lines if method == "lines" else flatten_plane)(stack)
    removed = stack.values - flat.values
    flat = flat.replace(meta=flat.meta | {"leveled": True})
    if method != "lines":
        text = ", ".join(f"{v:.3g}" for v in np.ptp(removed, axis=(1, 2)))
        steps.append(("plane", f"a plane taken out of each slice, corner to corner {text} {stack.unit}"))
    else:
        text = f"{removed.std():.3g} {stack.unit}"
        steps.append(("lines", f"the offset of each line taken out, standard deviation {text}"))
    return flat


def _find_drift(stack: ScanStack, warnings: list[str]) -> Drift | None:
    try:
        return estimate_drift(stack)
    except InputError as error:
        warnings.append(f"drift between the slices could not be found, none was taken out ({error})")
        return None


def _align(
    stack: ScanStack, drift: Drift, always: bool, steps: list[tuple[str, str]], warnings: list[str]
) -> ScanStack:
    moved = always or drift.significant
    try:
        aligned = align_slices(stack, drift) if moved else stack
    except InputError as error:
        warnings.append(f"drift between the slices could not be taken out ({error})")
        return stack
    if drift.period is not None:
        warnings.append(
            f"the image is periodic (every {math.hypot(*drift.period):.2f} Å): drift between two slices is "
            "known only up to a lattice vector"
        )
    elif drift.leap > _LEAP:
        warnings.append(
            f"two slices seem to have moved by {drift.leap:.1f} Å at once, beside any drift: a tip that "
            "changed, or contrast that turns over; that was not taken out"
        )
    if moved and not always and not drift.same_height:
        warnings.append(
            f"the slices were moved by up to {drift.largest:.1f} Å, as if they had drifted; a molecule that "
            "lies tilted may look so, too: align never leaves them where they are, and images of one height, "
            "as of a series down and up again, would tell"
        )
    if moved:
        what = f"moved back, and cut to {describe_window(aligned)}"
    else:
        small = "no more than a pixel" if drift.largest <= drift.pixel else "not more than its error allows"
        what = f"left where they are, for that is {small}"
    steps.append(("drift", f"{drift.describe()}: {what}"))
    return aligned


def _merge(stack: ScanStack, settings: ScanPreparation, steps: list[tuple[str, str]]) -> ScanStack:
    """One slice of each height."""
    merged = merge_repeats(stack, settings.repeats)
    if len(merged.heights) < len(stack.heights):
        kept = "their mean was" if settings.repeats == "mean" else f"the {settings.repeats} was"
        images, heights = len(stack.heights), len(merged.heights)
        steps.append(
            ("repeats", f"{images} images of {heights} heights: of those at one height {kept} taken")
        )
    return merged


def describe_window(stack: ScanStack) -> str:
    """The window of a scan in words."""
    (x0, x1), (y0, y1) = stack.window
    return f"x {x0:.2f} to {x1:.2f} Å, y {y0:.2f} to {y1:.2f} Å"
