"""Uniform noise."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class RandomNoise:
    r"""Add uniform noise in ``[-a/2, a/2]`` times the range of each slice, with one amplitude
    :math:`a = |N(0, \sigma)|` a sample (the thesis, section 2.3.2, augmentation iv).

    Args:
        sigma: scale of the amplitude, as a fraction of the range.

    Shapes:
        stack ``[..., Y, X]``, result the same.
    """

    def __init__(self, sigma: float = 0.1) -> None:
        self.sigma = sigma

    def __call__(self, stack: Tensor, rng: np.random.Generator) -> Tensor:
        amplitude = abs(rng.normal(0.0, self.sigma))
        noise = torch.from_numpy(rng.random(tuple(stack.shape), dtype=np.float32) - np.float32(0.5))
        span = stack.amax(dim=(-2, -1), keepdim=True) - stack.amin(dim=(-2, -1), keepdim=True)
        return stack + amplitude * span * noise.to(stack)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(sigma={self.sigma})"
