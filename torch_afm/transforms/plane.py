"""Tilted backgrounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from torch_afm.transforms.base import (
    Drawn,
    StackAugmentation,
    add_scaled,
    check_stacks,
    draw_direction,
    draw_vector,
)
from torch_afm.utils import check_shape


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


class Background(StackAugmentation):
    """A plane below each slice, another one for each: what long-range forces, tilt of the sample and drift in
    height leave. From one side of the slice to the other it rises by up to ``amplitude`` standard deviations
    of the slice, in any direction.

    Args:
        amplitude: the largest rise.
    """

    def __init__(self, amplitude: float = 1.0) -> None:
        self.amplitude = amplitude

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        return {"slopes": [draw_vector(rng, 0.0, self.amplitude) for _ in range(shape[0])]}

    @staticmethod
    def apply(stack: Tensor, slopes: Sequence[Sequence[Sequence[float]]]) -> Tensor:
        """Add planes.

        Args:
            stack: the stacks.
            slopes: rise of each slice of each sample along x and y, in standard deviations.

        Shapes:
            stack ``[B, C, Z, Y, X]``, slopes ``[B, Z, 2]``, result as the stack.

        Raises:
            InputError: for another number of slices.
        """
        check_stacks(stack, slopes)
        rise = np.asarray(slopes, dtype=np.float64)
        check_shape("slopes", rise, (len(stack), stack.size(2), 2))
        x, y = (np.linspace(-0.5, 0.5, n) for n in (stack.size(4), stack.size(3)))
        plane = rise[:, None, :, :1, None] * x + rise[:, None, :, 1:, None] * y[:, None]
        sigma = stack.flatten(3).std(dim=3, correction=0)[..., None, None]
        return torch.from_numpy(plane).to(stack) * sigma + stack
