"""Offsets of single scan lines taken out."""

from __future__ import annotations

import numpy as np
from scipy import fft
from scipy.ndimage import uniform_filter1d

from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.utils import check_finite

#: Neighbouring cosines whose power is averaged, and the lines below which there are too few of them.
_NEIGHBOURS, _LEAST = 7, 16

#: Median of the square of a normal deviate.
_MEDIAN_CHI2 = 0.4549


def flatten_lines(stack: ScanStack) -> ScanStack:
    """Subtract from each line along x, the fast axis, the offset that it has against its neighbours. The mean
    of each slice is kept.

    What the tip shows of a molecule changes over several lines, offsets from each line to the next. So they
    are told from each other by a Wiener filter: of the discrete cosine transform ``R_k`` of the means of the
    lines, the share ``s² / S_k`` is taken out, where ``S_k`` is the power ``R_k²`` averaged over neighbouring
    ``k``, at least ``s²``, and ``s²`` that of white noise, by the median over the upper half of ``k``, where
    molecules have none. A stack without offsets stays as it is; slow drift from line to line and steps that
    last are left in it, and so are stacks of fewer than 16 lines.

    Raises:
        InputError: for NaN in the stack.
    """
    check_finite("values", stack.values)
    n = stack.values.shape[1]
    if n < _LEAST:
        return stack
    means = fft.dct(stack.values.mean(axis=2), norm="ortho", axis=1)
    noise = np.median(means[:, n // 2 :] ** 2, axis=1, keepdims=True) / _MEDIAN_CHI2
    power = np.maximum(uniform_filter1d(means[:, 1:] ** 2, _NEIGHBOURS, axis=1), noise)
    share = np.divide(noise, power, out=np.zeros_like(power), where=power > 0)
    means[:, 0] = 0
    means[:, 1:] *= share
    return stack.replace(values=stack.values - fft.idct(means, norm="ortho", axis=1)[:, :, None])
