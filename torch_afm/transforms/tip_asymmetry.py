"""A tip that is longer to one side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from torch_afm.transforms.base import Drawn, RandomStackTransform, StackTransform, per_sample
from torch_afm.transforms.slice_shift import ShiftSlices

#: Points along the tail, whose weights fall to exp(-_DECAY) at its end.
_POINTS, _DECAY = 8, 3.0


class TipAsymmetry(StackTransform):
    r"""An asymmetric apex: every feature gets a tail to one side,

    .. math:: I'(\mathbf r) = \sum_{k=0}^8 w_k\, I\left(\mathbf r - \tfrac k8 \ell \mathbf u\right),
              \quad w_k \propto e^{-3 k / 8}, \quad \sum_k w_k = 1,

    with the direction :math:`\mathbf u`. Bilinear interpolation; places outside repeat the border.

    Args:
        length: ℓ of each sample, as a fraction of the window.
        angle: direction of the tail, in units where the window is a square, from x towards y, in radians.

    Shapes:
        stack ``[B, C, Z, Y, X]``, result the same.
    """

    def __init__(self, length: Sequence[float], angle: Sequence[float]) -> None:
        self.length = length
        self.angle = angle

    def __call__(self, stack: Tensor) -> Tensor:
        self.check(stack, self.angle)
        direction = np.stack([np.cos(self.angle), np.sin(self.angle)], axis=1)
        reach = np.asarray(self.length)[:, None] * direction
        weights = np.exp(-_DECAY * np.arange(_POINTS + 1) / _POINTS)
        weights /= weights.sum()
        out = torch.zeros_like(stack)
        for k, weight in enumerate(weights.tolist()):
            shifts = np.repeat(k / _POINTS * reach[:, None], stack.size(2), axis=1)
            out = out + ShiftSlices(shifts.tolist())(stack) * weight
        return torch.where(per_sample(self.length, stack) == 0, stack, out)


class RandomTipAsymmetry(RandomStackTransform):
    """Draw :class:`TipAsymmetry`, in any direction, with a length uniform up to ``length``.

    Args:
        length: the longest tail, as a fraction of the window.
    """

    applies = TipAsymmetry

    def __init__(self, length: float = 0.05) -> None:
        self.length = length

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        return {"length": rng.uniform(0.0, self.length), "angle": rng.uniform(0.0, 2 * math.pi)}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(length={self.length})"
