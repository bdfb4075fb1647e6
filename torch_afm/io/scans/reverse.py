"""Stacks whose heights count the other way."""

from __future__ import annotations

from torch_afm.io.scans.scan_stack import ScanStack


def reverse(stack: ScanStack) -> ScanStack:
    """The stack with the sign of its heights changed, and so with its slices in the other order: for files
    whose heights grow towards the surface, or whose order was taken the wrong way round."""
    return stack.replace(values=stack.values[::-1], heights=-stack.heights[::-1])
