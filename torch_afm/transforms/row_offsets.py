"""Noise between scan lines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from torch_afm.transforms.base import (
    Drawn,
    RandomStackTransform,
    StackTransform,
    per_sample,
    slice_range,
)


class AddRowOffsets(StackTransform):
    """Add to each row of each slice (a line along x, the fast axis of the scan) a number drawn from
    :math:`N(0, a^2)` times the range of its slice: what slow noise leaves between lines.

    The numbers follow from the seed alone: they are the same on every device.

    Args:
        amplitude: a of each sample.
        seed: seed of each sample's offsets.

    Shapes:
        stack ``[B, C, Z, Y, X]``, result the same.
    """

    def __init__(self, amplitude: Sequence[float], seed: Sequence[int]) -> None:
        self.amplitude = amplitude
        self.seed = seed

    def __call__(self, stack: Tensor) -> Tensor:
        self.check(stack, self.seed)
        shape = (*stack.shape[1:4], 1)
        offsets = np.stack([np.random.default_rng(seed).standard_normal(shape) for seed in self.seed])
        scale = slice_range(stack) * per_sample(self.amplitude, stack)
        return torch.from_numpy(offsets).to(stack).mul(scale) + stack


class RandomRowOffsets(RandomStackTransform):
    r"""Draw :class:`AddRowOffsets`, with one amplitude :math:`a = |N(0, \sigma)|` a stack.

    Args:
        sigma: scale of the amplitude, as a fraction of the range.
    """

    applies = AddRowOffsets

    def __init__(self, sigma: float = 0.03) -> None:
        self.sigma = sigma

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        return {"amplitude": abs(rng.normal(0.0, self.sigma)), "seed": int(rng.integers(2**53))}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(sigma={self.sigma})"
