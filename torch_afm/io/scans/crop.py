"""A window out of a stack."""

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
