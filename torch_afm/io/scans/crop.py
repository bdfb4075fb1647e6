"""Parts of a stack: a window, and what was measured of scans that were not finished."""

from __future__ import annotations

import numpy as np

from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.utils import InputError


def crop(stack: ScanStack, window: tuple[tuple[float, float], tuple[float, float]]) -> ScanStack:
    """The pixels whose positions lie in a window, both ends included.

    Args:
        stack: the stack.
        window: ``((x0, x1), (y0, y1))`` in Å.

    Raises:
        InputError: if no pixel lies in it, or its ends are not in order.
    """
    kept = []
    for name, axis, (low, high) in zip("xy", (stack.x, stack.y), window, strict=True):
        if not low <= high:
            raise InputError(f"window: expected {name}0 <= {name}1, got {low:g} and {high:g}")
        rounding = 1e-9 * np.abs(axis).max()
        inside = np.flatnonzero((axis >= low - rounding) & (axis <= high + rounding))
        if len(inside) == 0:
            raise InputError(
                f"window: expected one that holds pixels of the scanned {axis[0]:.3f} to {axis[-1]:.3f} Å "
                f"in {name}, got {low:g} to {high:g} Å"
            )
        kept.append(slice(int(inside[0]), int(inside[-1]) + 1))
    return crop_pixels(stack, *kept)


def crop_pixels(stack: ScanStack, columns: slice, rows: slice) -> ScanStack:
    """The pixels of some columns and rows."""
    x, y = stack.x[columns], stack.y[rows]
    window = ((float(x[0]), float(x[-1])), (float(y[0]), float(y[-1])))
    return stack.replace(values=stack.values[:, rows, columns].copy(), window=window)


def crop_finished(stack: ScanStack) -> ScanStack:
    """A stack without gaps: the longest run of lines along x that all slices have, as of images that were
    stopped; or, where that is less than half of it, all slices that are whole on the longest run of lines
    that were reached at all, as of curves that end at heights of their own.

    Raises:
        InputError: where neither leaves anything.
    """
    there = np.isfinite(stack.values)
    if there.all():
        return stack
    rows = _longest_run(there.all(axis=(0, 2)))
    other_rows = _longest_run(there.any(axis=0).all(axis=1))
    slices = there[:, other_rows].all(axis=(1, 2))
    lines, others = (r.stop - r.start for r in (rows, other_rows))
    if 2 * lines * len(slices) < others * slices.sum():
        stack = stack.keep_slices(slices)
        rows, lines = other_rows, others
    if lines == 0:
        raise InputError("values: expected lines that were measured in all slices, got none")
    return crop_pixels(stack, slice(None), rows)


def _longest_run(complete: np.ndarray) -> slice:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], complete.astype(int), [0]])))
    if not len(edges):
        return slice(0, 0)
    begins, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - begins))
    return slice(int(begins[longest]), int(ends[longest]))
