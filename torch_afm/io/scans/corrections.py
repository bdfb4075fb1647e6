"""Tilt and offsets of lines, taken out of a stack."""

from __future__ import annotations

import numpy as np
import torch
from scipy import fft, ndimage

from torch_afm.functional import remove_slope
from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.utils import check_finite

#: Neighboring cosines whose power is averaged, and the lines below which there are too few of them.
_NEIGHBORS, _MIN_LINES = 7, 16

#: Median of the square of a normal deviate.
_MEDIAN_CHI2 = 0.4549


def flatten_plane(stack: ScanStack) -> ScanStack:
    """Subtract from each slice the plane that fits it best in least squares, but for its mean, which is kept:
    Δf falls from slice to slice for a reason.

    Raises:
        InputError: for NaN in the stack.
    """
    check_finite("values", stack.values)
    values = torch.from_numpy(np.ascontiguousarray(stack.values))
    return stack.replace(values=remove_slope(values).numpy())


def flatten_lines(stack: ScanStack) -> ScanStack:
    """Subtract from each line along x, the fast axis, the offset that it has against its neighbors. The mean
    of each slice is kept.

    What the tip shows of a molecule changes over several lines, offsets from each line to the next. So they
    are told from each other by a Wiener filter: of the discrete cosine transform ``R_k`` of the means of the
    lines, the share ``s² / S_k`` is taken out, where ``S_k`` is the power ``R_k²`` averaged over neighboring
    ``k``, at least ``s²``, and ``s²`` that of white noise, by the median over the upper half of ``k``, where
    molecules have none. A stack without offsets stays as it is; slow drift from line to line and steps that
    last are left in it, and so are stacks of fewer than 16 lines.

    Raises:
        InputError: for NaN in the stack.
    """
    check_finite("values", stack.values)
    n = stack.values.shape[1]
    if n < _MIN_LINES:
        return stack
    means = fft.dct(stack.values.mean(axis=2), norm="ortho", axis=1)
    noise = np.median(means[:, n // 2 :] ** 2, axis=1, keepdims=True) / _MEDIAN_CHI2
    power = np.maximum(ndimage.uniform_filter1d(means[:, 1:] ** 2, _NEIGHBORS, axis=1), noise)
    share = np.divide(noise, power, out=np.zeros_like(power), where=power > 0)
    means[:, 0] = 0
    means[:, 1:] *= share
    return stack.replace(values=stack.values - fft.idct(means, norm="ortho", axis=1)[:, :, None])
