"""Noise of pixels, of scan lines and of the detector (the graph-AFM thesis, Aalto University, see
CITATION.cff, section 2.3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from torch_afm.transforms.base import Drawn, StackAugmentation, add_scaled, check_stacks, per_sample


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


class DetectorNoise(StackAugmentation):
    r"""Noise of the detector, which knows nothing of the height: of the same strength in all slices, so that
    it grows, against the contrast, towards the far ones, until they show nothing else,

    .. math:: I'_{zyx} = I_{zyx} + \sigma\,(w\,\epsilon_{zyx} + r\,\eta_{zy})

    with the standard deviation σ of the nearest slice, and normal ε and η. For raw stacks, where slices
    differ in contrast.

    Args:
        noise: smallest and largest w, uniform in its logarithm.
        rows: the largest r, uniform.
    """

    def __init__(self, noise: tuple[float, float] = (0.003, 0.3), rows: float = 0.1) -> None:
        self.noise = noise
        self.rows = rows

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        noise = float(np.exp(rng.uniform(*np.log(self.noise))))
        return {"noise": noise, "rows": rng.uniform(0.0, self.rows), "seed": int(rng.integers(2**53))}

    @staticmethod
    def apply(stack: Tensor, noise: Sequence[float], rows: Sequence[float], seed: Sequence[int]) -> Tensor:
        """Add the noise that follows from each sample's seed, the same on every device.

        Args:
            stack: the stacks.
            noise: w of each sample.
            rows: r of each sample.
            seed: seed of each sample's noise.

        Shapes:
            stack ``[B, C, Z, Y, X]``, result the same.
        """
        check_stacks(stack, seed)
        sigma = stack[:, :, -1:].flatten(2).std(dim=2, correction=0)[..., None, None, None]
        generators = [np.random.Generator(np.random.SFC64(one)) for one in seed]
        white, lines = (
            np.stack([g.standard_normal(shape, dtype=np.float32) for g in generators])
            for shape in (stack.shape[1:], (*stack.shape[1:4], 1))
        )
        added = torch.from_numpy(white).to(stack) * per_sample(noise, stack)
        added = added + torch.from_numpy(lines).to(stack) * per_sample(rows, stack)
        return added * sigma + stack


def _draw(sigma: float, rng: np.random.Generator) -> Drawn:
    return {"amplitude": abs(rng.normal(0.0, sigma)), "seed": int(rng.integers(2**53))}
