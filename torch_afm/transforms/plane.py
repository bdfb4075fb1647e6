"""A tilted background."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from torch_afm.transforms.base import (
    Drawn,
    RandomStackTransform,
    StackTransform,
    per_sample,
    slice_range,
)


class AddPlane(StackTransform):
    """Add a plane to each slice, which is zero at its centre and rises, from the lowest corner to the
    highest, by ``amplitude`` times the range of the slice.

    Args:
        amplitude: of each sample, as a fraction of the range.
        angle: direction in which each sample's plane rises, in units where the window is a square, from x
            towards y, in radians.

    Shapes:
        stack ``[B, C, Z, Y, X]``, result the same.
    """

    def __init__(self, amplitude: Sequence[float], angle: Sequence[float]) -> None:
        self.amplitude = amplitude
        self.angle = angle

    def __call__(self, stack: Tensor) -> Tensor:
        self.check(stack, self.angle)
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        rise = np.abs(cos) + np.abs(sin)
        along_x, along_y = (
            stack.new_tensor(np.multiply.outer(slope / rise, np.linspace(-0.5, 0.5, n)))
            for slope, n in ((cos, stack.size(4)), (sin, stack.size(3)))
        )
        plane = (along_x[:, None] + along_y[:, :, None])[:, None, None]
        scale = slice_range(stack) * per_sample(self.amplitude, stack)
        return (plane * scale).add_(stack)


class RandomPlane(RandomStackTransform):
    """Draw :class:`AddPlane`: an amplitude up to ``amplitude`` and any direction, both uniform, one a stack
    (the talk's "background gradient").

    Args:
        amplitude: the largest amplitude, as a fraction of a slice's range.
    """

    applies = AddPlane

    def __init__(self, amplitude: float = 0.3) -> None:
        self.amplitude = amplitude

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        return {"amplitude": rng.uniform(0.0, self.amplitude), "angle": rng.uniform(0.0, 2 * math.pi)}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(amplitude={self.amplitude})"
