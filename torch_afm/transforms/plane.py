"""A tilted background."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from torch_afm.transforms.base import Drawn, StackAugmentation, add_scaled, check_stacks, draw_direction


class Plane(StackAugmentation, recorded_as="AddPlane"):
    """Add a plane to each slice, which is zero at its center and rises, from the lowest corner to the
    highest, by an amplitude times the range of the slice: the "background gradient" of arXiv:2509.02240. One
    amplitude up to ``amplitude`` and any direction a stack, both uniform.

    Args:
        amplitude: the largest amplitude, as a fraction of a slice's range.
    """

    def __init__(self, amplitude: float = 0.3) -> None:
        self.amplitude = amplitude

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        amplitude, angle = draw_direction(rng, 0.0, self.amplitude)
        return {"amplitude": amplitude, "angle": angle}

    @staticmethod
    def apply(stack: Tensor, amplitude: Sequence[float], angle: Sequence[float]) -> Tensor:
        """Add planes.

        Args:
            stack: the stacks.
            amplitude: of each sample, as a fraction of the range.
            angle: direction in which each sample's plane rises, in units where the window is a square, from x
                towards y, in radians.

        Shapes:
            stack ``[B, C, Z, Y, X]``, result the same.
        """
        check_stacks(stack, angle)
        cos, sin = np.cos(angle), np.sin(angle)
        rise = np.abs(cos) + np.abs(sin)
        along_x, along_y = (
            stack.new_tensor(np.multiply.outer(slope / rise, np.linspace(-0.5, 0.5, n)))
            for slope, n in ((cos, stack.size(4)), (sin, stack.size(3)))
        )
        plane = (along_x[:, None] + along_y[:, :, None])[:, None, None]
        return add_scaled(stack, plane, amplitude)
