"""Thermal drift."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from torch_afm.transforms.base import Drawn, RandomStackTransform, StackTransform
from torch_afm.transforms.move_rows import move_rows
from torch_afm.utils import check_shape


class Drift(StackTransform):
    r"""The sample moves steadily under the tip while the stack is scanned, row by row and slice by slice,
    far to near: row y of slice z shows what stood at

    .. math:: \mathbf r + \mathbf v\,(z - z_{last} + y / (Y - 1) - 1/2),

    so the middle of the nearest slice is in place, slices are sheared and stretched, and far ones displaced.
    Bilinear interpolation; places outside repeat the border.

    Args:
        velocity: (x, y) of each sample in windows (fractions of width and height in pixels) a slice.

    Shapes:
        velocity ``[B, 2]``; stack ``[B, C, Z, Y, X]``, result the same.

    Raises:
        InputError: for velocities of another shape.
    """

    def __init__(self, velocity: Sequence[Sequence[float]]) -> None:
        self.velocity = velocity

    def __call__(self, stack: Tensor) -> Tensor:
        self.check(stack, self.velocity)
        velocity = np.asarray(self.velocity, dtype=np.float64)
        check_shape("velocity", velocity, (len(stack), 2))
        depth, height, width = stack.shape[2:]
        time = np.arange(depth)[:, None] - (depth - 1) + np.linspace(-0.5, 0.5, height)
        dx, dy = (velocity[:, i, None, None] * time * size for i, size in enumerate((width, height)))
        return move_rows(stack, dx, dy)


class RandomDrift(RandomStackTransform):
    """Draw :class:`Drift`, in any direction, with a speed uniform up to ``speed``.

    Args:
        speed: the largest speed in windows a slice.
    """

    applies = Drift

    def __init__(self, speed: float = 0.01) -> None:
        self.speed = speed

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        speed, angle = rng.uniform(0.0, self.speed), rng.uniform(0.0, 2 * math.pi)
        return {"velocity": [speed * math.cos(angle), speed * math.sin(angle)]}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(speed={self.speed})"
