"""A second apex."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from torch_afm.transforms.base import Drawn, RandomStackTransform, StackTransform, per_sample
from torch_afm.transforms.slice_shift import ShiftSlices


class DoubleTip(StackTransform):
    r"""A second apex beside the first and above it, whose signal adds a ghost:

    .. math:: I'_z(\mathbf r) = \frac{I_z(\mathbf r) + w\, I_{z-h}(\mathbf r - \mathbf d)}{1 + w}.

    Of the ghost the farthest slice stands for those that would be farther. Bilinear interpolation; places
    outside repeat the border.

    Args:
        weight: w of each sample.
        offset: d of each sample, (x, y) as fractions of width and height in pixels.
        height: h of each sample, in slices.

    Shapes:
        offset ``[B, 2]``; stack ``[B, C, Z, Y, X]``, result the same.
    """

    def __init__(
        self, weight: Sequence[float], offset: Sequence[Sequence[float]], height: Sequence[int]
    ) -> None:
        self.weight = weight
        self.offset = offset
        self.height = height

    def __call__(self, stack: Tensor) -> Tensor:
        self.check(stack, self.weight)
        depth = stack.size(2)
        slices = np.clip(np.arange(depth) - np.asarray(self.height)[:, None], 0, depth - 1)
        rows = torch.arange(len(stack), device=stack.device)[:, None]
        ghost = stack.transpose(1, 2)[rows, torch.from_numpy(slices).to(stack.device)].transpose(1, 2)
        shifts = [[offset] * depth for offset in self.offset]
        weight = per_sample(self.weight, stack)
        out: Tensor = (stack + ShiftSlices(shifts)(ghost) * weight) / (1 + weight)
        return out


class RandomDoubleTip(RandomStackTransform):
    """Draw :class:`DoubleTip`: weight, distance and height uniform, the direction any.

    Args:
        weight: the largest weight of the ghost.
        distance: smallest and largest distance of the apexes, as fractions of the window.
        height: the largest number of slices that the second is higher.
    """

    applies = DoubleTip

    def __init__(
        self, weight: float = 0.3, distance: tuple[float, float] = (0.03, 0.15), height: int = 2
    ) -> None:
        self.weight = weight
        self.distance = distance
        self.height = height

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        distance, angle = rng.uniform(*self.distance), rng.uniform(0.0, 2 * math.pi)
        return {
            "weight": rng.uniform(0.0, self.weight),
            "offset": [distance * math.cos(angle), distance * math.sin(angle)],
            "height": int(rng.integers(self.height + 1)),
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}(weight={self.weight}, distance={self.distance}, height={self.height})"
