"""Steps and slopes between scan lines taken out."""

from __future__ import annotations

import numpy as np
from numpy.polynomial.legendre import legvander

from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.utils import InputError, check_finite


def flatten_lines(stack: ScanStack, degree: int | None = None) -> ScanStack:
    """Subtract from each line along x, the fast axis, its median, or the polynomial that fits it best in
    least squares. The median, or the mean, of each slice is kept.

    Args:
        stack: the stack.
        degree: of the polynomial, less than the number of pixels in a line; ``None`` takes the median, which
            a molecule that covers less than half of the line does not move.

    Raises:
        InputError: for NaN in the stack and a degree that the lines do not allow.
    """
    check_finite("values", stack.values)
    values = stack.values
    if degree is None:
        level = np.median(values, axis=(1, 2), keepdims=True)
        return stack.replace(values=values - np.median(values, axis=2, keepdims=True) + level)
    n = values.shape[2]
    if not 0 <= degree < n:
        raise InputError(f"degree: expected 0 to {n - 1} for lines of {n} pixels, got {degree}")
    basis, _ = np.linalg.qr(legvander(np.linspace(-1, 1, n) if n > 1 else np.zeros(1), degree))
    level = values.mean(axis=(1, 2), keepdims=True)
    return stack.replace(values=values - (values @ basis) @ basis.T + level)
