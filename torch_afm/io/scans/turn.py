"""Stacks turned by quarter turns."""

from __future__ import annotations

import numpy as np

from torch_afm.io.scans.scan_stack import ScanStack


def turn(stack: ScanStack, turns: int) -> ScanStack:
    """The stack turned about the middle of its window by quarter turns, from x towards y. Pixels are moved,
    none is interpolated."""
    low, high = np.array(stack.window).T
    middle, half = (low + high) / 2, (high - low) / 2
    if turns % 2:
        half = half[::-1]
    x, y = ((float(m - h), float(m + h)) for m, h in zip(middle, half, strict=True))
    return stack.replace(values=np.rot90(stack.values, turns, axes=(2, 1)).copy(), window=(x, y))
