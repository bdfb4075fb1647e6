"""Tilt taken out of slices."""

from __future__ import annotations

import numpy as np

from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.utils import check_finite


def flatten_plane(stack: ScanStack) -> ScanStack:
    """Subtract from each slice the plane that fits it best in least squares, but for its mean, which is kept:
    Δf falls from slice to slice for a reason.

    Raises:
        InputError: for NaN in the stack.
    """
    check_finite("values", stack.values)
    n_slices, ny, nx = stack.values.shape
    y, x = np.meshgrid(np.linspace(-1, 1, ny), np.linspace(-1, 1, nx), indexing="ij")
    # Over a full rectangle the two slopes and the mean are orthogonal; a slope along one pixel is zero.
    slopes = np.stack([x.ravel() if nx > 1 else 0 * x.ravel(), y.ravel() if ny > 1 else 0 * y.ravel()])
    flat = stack.values.reshape(n_slices, -1)
    fit = flat @ slopes.T / np.maximum((slopes**2).sum(axis=1), np.finfo(float).tiny)
    return stack.replace(values=(flat - fit @ slopes).reshape(stack.values.shape))
