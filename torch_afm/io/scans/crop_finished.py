"""What was measured of scans that were not finished."""

from __future__ import annotations

import numpy as np

from torch_afm.io.scans.crop import crop_pixels
from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.utils import InputError


def crop_finished(stack: ScanStack) -> ScanStack:
    """The longest run of lines along x that all slices have without gaps.

    Raises:
        InputError: where no line is whole.
    """
    whole = np.isfinite(stack.values).all(axis=(0, 2))
    if whole.all():
        return stack
    edges = np.flatnonzero(np.diff(np.concatenate([[0], whole.astype(int), [0]])))
    if not len(edges):
        raise InputError("values: expected lines that were measured in all slices, got none")
    begins, ends = edges[::2], edges[1::2]
    longest = int(np.argmax(ends - begins))
    return crop_pixels(stack, slice(None), slice(int(begins[longest]), int(ends[longest])))
