"""A stack of constant-height images from a microscope."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from scipy.interpolate import make_interp_spline
from torch import Tensor

from torch_afm.config import to_dict
from torch_afm.io.scans.scan_block import MAX_VALUES, frame_turn
from torch_afm.io.stacks import AFMStack, RecordedSettings, check_meta
from torch_afm.symmetry import Symmetry
from torch_afm.utils import InputError, check_shape

#: Å by which heights may lie outside, against rounding.
_ROUNDING = 1e-3

#: What ``meta`` keeps of each slice.
_EACH_SLICE = ("files", "times", "order", "centers", "drift_pixels")


@dataclass(frozen=True, eq=False)
class ScanStack(RecordedSettings):
    """Constant-height images, far to near.

    Args:
        values: the images, x to the right and y upwards in the scan frame: ``values[:, 0, 0]`` is its lower
            left corner. NaN where a scan was not finished.
        heights: height of the tip at each slice in Å, decreasing; equal ones are repeats, in the order in
            which they were measured (:func:`torch_afm.io.scans.merge_repeats`). Where it is zero depends on
            the file.
        window: ``((x0, x1), (y0, y1))``, positions of the first and the last pixel in Å.
        unit: of the values.
        channel: its name in the file.
        direction: ``"forward"`` or ``"backward"``.
        meta: everything else that is known, as in :class:`torch_afm.io.AFMStack`. Of each slice: ``files``,
            ``times`` in s since 1970, in the middle of its measurement, and ``centers`` of its frame in Å in
            the coordinates of the microscope, one where it is the same for all. ``center``: of the frame of
            the stack; ``angle``: by how many degrees it is turned clockwise about that; ``skipped``: files
            that were left out, and why.

    Shapes:
        values ``[Z, Y, X]`` float64, heights ``[Z]``.

    Raises:
        InputError: for a wrong shape, an empty axis, infinite values, heights or a window that are not
            finite or not in order, or a setting that cannot be.
    """

    values: np.ndarray
    heights: np.ndarray
    window: tuple[tuple[float, float], tuple[float, float]]
    unit: str = "Hz"
    channel: str = "frequency shift"
    direction: str = "forward"
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        values, heights = (np.asarray(a, dtype=np.float64) for a in (self.values, self.heights))
        if values.ndim != 3 or values.size == 0:
            raise InputError(f"values: expected a non-empty array [Z, Y, X], got shape {values.shape}")
        if np.isinf(values).any():
            raise InputError("values: expected finite numbers or NaN, got infinite ones")
        check_shape("heights", heights, values.shape[:1])
        if not np.isfinite(heights).all() or (np.diff(heights) > 0).any():
            raise InputError(f"heights: expected finite decreasing ones, got {_short(heights)}")
        for name, (low, high), n in zip("xy", self.window, values.shape[:0:-1], strict=True):
            ordered = low == high if n == 1 else low < high
            if not (math.isfinite(low) and math.isfinite(high) and ordered):
                raise InputError(
                    f"window: expected {name}0 < {name}1 for {n} pixels, both finite and equal for one, "
                    f"got {low:g} and {high:g}"
                )
        check_meta(self.meta)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "heights", heights)

    @property
    def x(self) -> np.ndarray:
        """Pixel positions along x in Å."""
        return np.linspace(*self.window[0], self.values.shape[2])

    @property
    def y(self) -> np.ndarray:
        """Pixel positions along y in Å."""
        return np.linspace(*self.window[1], self.values.shape[1])

    @property
    def pixel_size(self) -> tuple[float, float]:
        """Width and height of a pixel in Å; 0 along an axis of one pixel."""
        (x0, x1), (y0, y1) = self.window
        _, ny, nx = self.values.shape
        return (x1 - x0) / max(nx - 1, 1), (y1 - y0) / max(ny - 1, 1)

    def replace(self, **changes: Any) -> ScanStack:
        """A copy with other fields."""
        return dataclasses.replace(self, **changes)

    def each_slice(self) -> dict[str, list[Any]]:
        """What ``meta`` keeps of each slice, far to near."""
        return {
            key: self.meta[key]
            for key in _EACH_SLICE
            if isinstance(self.meta.get(key), list) and len(self.meta[key]) == len(self.heights)
        }

    def keep_slices(self, kept: np.ndarray) -> ScanStack:
        """Some of the slices, with what is known of each.

        Args:
            kept: which of them.

        Shapes:
            kept ``[Z]`` bool.
        """
        each = {
            key: [value for value, keep in zip(values, kept, strict=True) if keep]
            for key, values in self.each_slice().items()
        }
        return self.replace(values=self.values[kept], heights=self.heights[kept], meta=self.meta | each)

    def turned(self, symmetry: Symmetry) -> ScanStack:
        """The stack turned about the middle of its window, and the tip that it records with it. Pixels are
        moved, none is interpolated."""
        low, high = np.array(self.window).T
        middle, half = (low + high) / 2, (high - low) / 2
        if symmetry.swaps_axes:
            half = half[::-1]
        x, y = ((float(m - h), float(m + h)) for m, h in zip(middle, half, strict=True))
        values = symmetry.image(torch.from_numpy(self.values)).numpy()
        tip = {} if self.tip is None else {"tip": to_dict(symmetry.tip(self.tip))}
        return self.replace(values=np.ascontiguousarray(values), window=(x, y), meta=self.meta | tip)

    def reversed(self) -> ScanStack:
        """The stack with the sign of its heights changed, and so with its slices in the other order: for
        files whose heights grow towards the surface, or whose order was taken the wrong way round."""
        each = {key: values[::-1] for key, values in self.each_slice().items()}
        return self.replace(values=self.values[::-1], heights=-self.heights[::-1], meta=self.meta | each)

    def microscope_positions(self, pos: np.ndarray) -> np.ndarray:
        r"""Positions in the coordinates of the microscope: ``center + R (pos + origin - center)``, where
        ``R`` turns the frame clockwise by its scan angle about its center, and ``origin`` is where the
        positions of the stack count from.

        Args:
            pos: in the frame of the stack, in Å.

        Shapes:
            pos and result ``[n, 2]`` or ``[n, 3]``, of which z stays.
        """
        origin = np.asarray(self.meta.get("origin", (0.0, 0.0)), dtype=np.float64)
        center = np.asarray(self.meta.get("center", np.mean(self.window, axis=1) + origin), dtype=np.float64)
        found = np.array(pos, dtype=np.float64)
        found[:, :2] = center + (found[:, :2] + origin - center) @ frame_turn(self.meta).T
        return found

    def resample(self, x: np.ndarray, y: np.ndarray, heights: np.ndarray) -> ScanStack:
        """The stack on other positions, by :func:`resample`.

        Args:
            x: pixel positions in Å, evenly spaced, increasing.
            y: pixel positions in Å, evenly spaced, increasing.
            heights: in Å, decreasing.

        Raises:
            InputError: for positions that were not scanned, NaN in the stack, or repeats.
        """
        self._check_repeats()
        values = resample(self.values, (self.heights, self.y, self.x), (heights, y, x))
        window = ((float(x[0]), float(x[-1])), (float(y[0]), float(y[-1])))
        return self.replace(values=values, heights=heights, window=window)

    def tensor(self) -> Tensor:
        """The stack as models take it, ``[1, 1, Z, Y, X]`` float32."""
        return torch.from_numpy(self.afm_stack().stack)[None]

    def afm_stack(self) -> AFMStack:
        """The stack as one channel, with what is known about it in ``meta``.

        Raises:
            InputError: for NaN in the stack, or repeats.
        """
        self._check_repeats()
        origin = {"unit": self.unit, "channel": self.channel, "direction": self.direction}
        return AFMStack(self.values[None], self.x, self.y, self.heights, self.meta | origin)

    def _check_repeats(self) -> None:
        same = np.flatnonzero(np.diff(self.heights) == 0)
        if len(same):
            raise InputError(
                f"heights: expected a different one for each slice, got {self.heights[same[0]]:g} Å twice; "
                "merge_repeats makes one slice of each height"
            )


def resample(values: np.ndarray, old: Sequence[np.ndarray], new: Sequence[np.ndarray]) -> np.ndarray:
    """A stack on another rectangular grid, by the tensor product of interpolating cubic splines (``scipy``'s
    ``make_interp_spline``, not-a-knot ends), whose error falls with the fourth power of the step; along an
    axis of fewer than four positions the order is one less than these.

    Each pixel stands for its whole area: x and y may lie up to half a pixel outside its first and last
    position. Heights may not.

    Args:
        values: the stack.
        old: its heights, y and x in Å.
        new: the heights, y and x in Å to be had.

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
        values = make_interp_spline(sign * have, values, k=min(3, len(have) - 1), axis=axis)(sign * want)
    return values


def _short(values: np.ndarray) -> str:
    shown = ", ".join(f"{v:g}" for v in values[:6])
    return shown + (", ..." if len(values) > 6 else "")
