"""Uniform noise."""

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


class AddNoise(StackTransform):
    """Add to each pixel a number drawn uniformly from ``[-a/2, a/2]`` times the range of its slice.

    The numbers, of 16 bits, follow from the seed alone: they are the same on every device.

    Args:
        amplitude: a of each sample.
        seed: seed of each sample's noise.

    Shapes:
        stack ``[B, C, Z, Y, X]``, result the same.
    """

    def __init__(self, amplitude: Sequence[float], seed: Sequence[int]) -> None:
        self.amplitude = amplitude
        self.seed = seed

    def __call__(self, stack: Tensor) -> Tensor:
        self.check(stack, self.seed)
        size = stack[:1].numel()
        noise = np.empty((len(stack), size), dtype=np.float32)
        for row, seed in zip(noise, self.seed, strict=True):
            row[:] = np.random.SFC64(seed).random_raw(-(-size // 4)).view(np.uint16)[:size]
        # The middle of each of the 65536 steps between -1/2 and 1/2: exact in float32.
        noise += 0.5 - 2**15
        noise *= 2**-16
        scale = slice_range(stack) * per_sample(self.amplitude, stack)
        return torch.from_numpy(noise).to(stack).view_as(stack).mul_(scale).add_(stack)


class RandomNoise(RandomStackTransform):
    r"""Draw :class:`AddNoise`, with one amplitude :math:`a = |N(0, \sigma)|` a stack (the thesis, section
    2.3.2, augmentation iv).

    Args:
        sigma: scale of the amplitude, as a fraction of the range.
    """

    applies = AddNoise

    def __init__(self, sigma: float = 0.1) -> None:
        self.sigma = sigma

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        return {"amplitude": abs(rng.normal(0.0, self.sigma)), "seed": int(rng.integers(2**53))}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(sigma={self.sigma})"
