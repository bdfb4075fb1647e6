"""Noise of pixels and of scan lines (the graph-AFM thesis, Aalto University, see CITATION.cff, section
2.3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from torch_afm.transforms.base import Drawn, StackAugmentation, add_scaled, check_stacks


class Noise(StackAugmentation, recorded_as="AddNoise"):
    r"""Add to each pixel a number drawn uniformly from ``[-a/2, a/2]`` times the range of its slice, with one
    amplitude :math:`a = |N(0, \sigma)|` a stack (the thesis, section 2.3.2, augmentation iv).

    Args:
        sigma: scale of the amplitude, as a fraction of the range.
    """

    def __init__(self, sigma: float = 0.1) -> None:
        self.sigma = sigma

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        return _draw(self.sigma, rng)

    @staticmethod
    def apply(stack: Tensor, amplitude: Sequence[float], seed: Sequence[int]) -> Tensor:
        """Add the noise that follows from each sample's seed, the same on every device, in 16 bits.

        Args:
            stack: the stacks.
            amplitude: a of each sample.
            seed: seed of each sample's noise.

        Shapes:
            stack ``[B, C, Z, Y, X]``, result the same.
        """
        check_stacks(stack, seed)
        size = stack[:1].numel()
        noise = np.empty((len(stack), size), dtype=np.float32)
        for row, one in zip(noise, seed, strict=True):
            row[:] = np.random.SFC64(one).random_raw(-(-size // 4)).view(np.uint16)[:size]
        # The middle of each of the 65536 steps between -1/2 and 1/2: exact in float32.
        noise += 0.5 - 2**15
        noise *= 2**-16
        return add_scaled(stack, torch.from_numpy(noise).to(stack).view_as(stack), amplitude)


class RowOffsets(StackAugmentation, recorded_as="AddRowOffsets"):
    r"""Add to each row of each slice (a line along x, the fast axis of the scan) a number drawn from
    :math:`N(0, a^2)` times the range of its slice: what slow noise leaves between lines. One amplitude
    :math:`a = |N(0, \sigma)|` a stack.

    Args:
        sigma: scale of the amplitude, as a fraction of the range.
    """

    def __init__(self, sigma: float = 0.03) -> None:
        self.sigma = sigma

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        return _draw(self.sigma, rng)

    @staticmethod
    def apply(stack: Tensor, amplitude: Sequence[float], seed: Sequence[int]) -> Tensor:
        """Add the offsets that follow from each sample's seed, the same on every device.

        Args:
            stack: the stacks.
            amplitude: a of each sample.
            seed: seed of each sample's offsets.

        Shapes:
            stack ``[B, C, Z, Y, X]``, result the same.
        """
        check_stacks(stack, seed)
        shape = (*stack.shape[1:4], 1)
        offsets = np.stack([np.random.default_rng(one).standard_normal(shape) for one in seed])
        return add_scaled(stack, torch.from_numpy(offsets).to(stack), amplitude)


def _draw(sigma: float, rng: np.random.Generator) -> Drawn:
    return {"amplitude": abs(rng.normal(0.0, sigma)), "seed": int(rng.integers(2**53))}
