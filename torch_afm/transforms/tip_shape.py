"""Tips that are not one point: a second apex, and one that is longer to one side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from torch_afm.transforms.base import (
    Drawn,
    StackAugmentation,
    check_stacks,
    draw_direction,
    draw_vector,
    per_sample,
)
from torch_afm.transforms.slice_shift import SliceShift

#: Points along the tail, whose weights fall to exp(-_DECAY) at its end.
_POINTS, _DECAY = 8, 3.0


class DoubleTip(StackAugmentation):
    r"""A second apex beside the first and above it, whose signal adds a ghost:

    .. math:: I'_z(\mathbf r) = \frac{I_z(\mathbf r) + w\, I_{z-h}(\mathbf r - \mathbf d)}{1 + w}.

    Of the ghost the farthest slice stands for those that would be farther. Weight w, distance and height h
    are uniform, the direction is any.

    Args:
        weight: the largest weight of the ghost.
        distance: smallest and largest distance of the apexes, as fractions of the window.
        height: the largest number of slices that the second is higher.
    """

    def __init__(
        self, weight: float = 0.3, distance: tuple[float, float] = (0.03, 0.15), height: int = 2
    ) -> None:
        self.weight = weight
        self.distance = distance
        self.height = height

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        offset = draw_vector(rng, *self.distance)
        weight = rng.uniform(0.0, self.weight)
        return {"weight": weight, "offset": offset, "height": int(rng.integers(self.height + 1))}

    @staticmethod
    def apply(
        stack: Tensor, weight: Sequence[float], offset: Sequence[Sequence[float]], height: Sequence[int]
    ) -> Tensor:
        """Add ghosts, with bilinear interpolation; places outside repeat the border.

        Args:
            stack: the stacks.
            weight: w of each sample.
            offset: d of each sample, (x, y) as fractions of width and height in pixels.
            height: h of each sample, in slices.

        Shapes:
            stack ``[B, C, Z, Y, X]``, offset ``[B, 2]``, result as the stack.
        """
        check_stacks(stack, weight)
        depth = stack.size(2)
        slices = np.clip(np.arange(depth) - np.asarray(height)[:, None], 0, depth - 1)
        rows = torch.arange(len(stack), device=stack.device)[:, None]
        ghost = stack.transpose(1, 2)[rows, torch.from_numpy(slices).to(stack.device)].transpose(1, 2)
        w = per_sample(weight, stack)
        out: Tensor = (stack + SliceShift.apply(ghost, [[d] * depth for d in offset]) * w) / (1 + w)
        return out


class TipAsymmetry(StackAugmentation):
    r"""An asymmetric apex: every feature gets a tail to one side,

    .. math:: I'(\mathbf r) = \sum_{k=0}^8 w_k\, I\left(\mathbf r - \tfrac k8 \ell \mathbf u\right),
              \quad w_k \propto e^{-3 k / 8}, \quad \sum_k w_k = 1,

    in any direction :math:`\mathbf u`, with a length ℓ uniform up to ``length``.

    Args:
        length: the longest tail, as a fraction of the window.
    """

    def __init__(self, length: float = 0.05) -> None:
        self.length = length

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        length, angle = draw_direction(rng, 0.0, self.length)
        return {"length": length, "angle": angle}

    @staticmethod
    def apply(stack: Tensor, length: Sequence[float], angle: Sequence[float]) -> Tensor:
        """Add tails, with bilinear interpolation; places outside repeat the border.

        Args:
            stack: the stacks.
            length: ℓ of each sample, as a fraction of the window.
            angle: direction of the tail, in units where the window is a square, from x towards y, in radians.

        Shapes:
            stack ``[B, C, Z, Y, X]``, result the same.
        """
        check_stacks(stack, angle)
        direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        reach = np.asarray(length)[:, None] * direction
        weights = np.exp(-_DECAY * np.arange(_POINTS + 1) / _POINTS)
        weights /= weights.sum()
        out = torch.zeros_like(stack)
        for k, weight in enumerate(weights.tolist()):
            shifts = np.repeat(k / _POINTS * reach[:, None], stack.size(2), axis=1)
            out = out + SliceShift.apply(stack, shifts.tolist()) * weight
        return torch.where(per_sample(length, stack) == 0, stack, out)
