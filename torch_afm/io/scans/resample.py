"""Interpolation onto another grid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.interpolate import make_interp_spline

from torch_afm.io.scans.scan_block import MAX_VALUES
from torch_afm.utils import InputError

#: Å by which heights may lie outside, against rounding.
_ROUNDING = 1e-3


def resample(
    values: np.ndarray, old: Sequence[np.ndarray], new: Sequence[np.ndarray], order: int = 3
) -> np.ndarray:
    """A stack on another rectangular grid, by the tensor product of interpolating splines (``scipy``'s
    ``make_interp_spline``, not-a-knot ends), whose error falls with the step to the power ``order + 1``;
    along an axis of fewer positions the order is one less than these.

    Each pixel stands for its whole area: x and y may lie up to half a pixel outside its first and last
    position. Heights may not.

    Args:
        values: the stack.
        old: its heights, y and x in Å.
        new: the heights, y and x in Å to be had.
        order: of the splines, 1 to 5.

    Shapes:
        values ``[Z, Y, X]``, old ``([Z], [Y], [X])``; result as long as ``new``.

    Raises:
        InputError: for positions outside, for values that are not finite, and for a result of more than 2^26
            values.
    """
    if math.prod(map(len, new)) > MAX_VALUES:
        counts = " x ".join(str(len(axis)) for axis in new)
        raise InputError(f"heights, y, x: expected at most {MAX_VALUES} positions in all, got {counts}")
    if not np.isfinite(values).all():
        raise InputError(
            f"values: expected finite ones, got {int((~np.isfinite(values)).sum())} pixels that were not "
            "measured (NaN); crop the stack to a window without them"
        )
    for axis, (name, have, want) in enumerate(zip(("heights", "y", "x"), old, new, strict=True)):
        have, want = np.asarray(have, dtype=np.float64), np.asarray(want, dtype=np.float64)
        if want.ndim != 1 or len(want) == 0 or not np.isfinite(want).all():
            raise InputError(f"{name}: expected finite positions, got {want!r}")
        margin = _ROUNDING if axis == 0 else abs(have[-1] - have[0]) / max(len(have) - 1, 1) / 2
        low, high = min(have[0], have[-1]), max(have[0], have[-1])
        rounding = 1e-9 * max(abs(low), abs(high))
        if want.min() < low - margin - rounding or want.max() > high + margin + rounding:
            raise InputError(
                f"{name}: expected positions within the scanned {low:.3f} to {high:.3f} Å, "
                f"got {want.min():.3f} to {want.max():.3f} Å"
            )
        if len(have) == 1:
            values = np.repeat(values, len(want), axis=axis)
            continue
        # Splines want increasing positions.
        sign = 1 if have[-1] > have[0] else -1
        if axis == 0:
            want = np.clip(want, low, high)
        values = make_interp_spline(sign * have, values, k=min(order, len(have) - 1), axis=axis)(sign * want)
    return values
