"""Between Hz and the range that translation networks work in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from torch_afm.utils import InputError

# True for mypy. Not ``TYPE_CHECKING``: what is imported there, jsonargparse imports too.
MYPY = False

if MYPY:
    from torch import Tensor


class Range(NamedTuple):
    """Middle and half width of a range of values, ``[..., 1, 1]`` a slice."""

    middle: Tensor
    half: Tensor


@dataclass(frozen=True)
class Scaling:
    r"""An explicit, invertible map of stacks to numbers around 0: with the middle :math:`m` and half the
    width :math:`w` of a range, :math:`x \mapsto f (x - m) / w`; nothing is clipped or rounded to gray levels.

    Args:
        kind: what the range is of: every ``slice`` by itself (as 8-bit images of slices have it), the whole
            ``stack``, or ``fixed``, from ``low`` to ``high``.
        low: lower end of a fixed range, in the unit of the stacks (Hz).
        high: upper end of it.
        fill: f, what the ends of the range become. Networks end in tanh: below 1 there is room for values
            beyond the source's, such as added noise.
    """

    kind: str = "slice"
    low: float = -1.0
    high: float = 1.0
    fill: float = 0.8

    def __post_init__(self) -> None:
        if self.kind not in ("slice", "stack", "fixed"):
            raise InputError(f"kind: expected 'slice', 'stack' or 'fixed', got {self.kind!r}")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise InputError(f"low, high: expected finite numbers, low < high, got {self.low}, {self.high}")
        if not 0 < self.fill <= 1:
            raise InputError(f"fill: expected above 0 and at most 1, got {self.fill}")

    def measure(self, stack: Tensor) -> Range:
        """The range of each slice; one without contrast has half width 1.

        Shapes:
            stack ``[..., Z, Y, X]``, returns ``[..., Z, 1, 1]`` twice (Z is 1 where it is the stack's).
        """
        if self.kind == "fixed":
            low, high = (stack.new_full((1,) * stack.ndim, end) for end in (self.low, self.high))
        else:
            over = (-2, -1) if self.kind == "slice" else (-3, -2, -1)
            low, high = stack.amin(over, keepdim=True), stack.amax(over, keepdim=True)
        half = (high - low) / 2
        return Range(low + half, half.where(half > 0, half.new_ones(())))

    def apply(self, stack: Tensor, span: Range) -> Tensor:
        """``stack`` scaled by a range of :meth:`measure`."""
        return (stack - span.middle) * (self.fill / span.half)

    def invert(self, scaled: Tensor, span: Range) -> Tensor:
        """What :meth:`apply` was given, to the rounding of its precision."""
        return scaled * (span.half / self.fill) + span.middle
