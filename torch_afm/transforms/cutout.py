"""Small patches of zeros (the graph-AFM thesis, Aalto University, see CITATION.cff, section 2.3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from torch_afm.transforms.base import Drawn, StackAugmentation, check_stacks
from torch_afm.utils import InputError


class Cutout(StackAugmentation, recorded_as="CutOut"):
    """Set rectangles of pixels to zero, the mean of a normalized slice (the thesis, section 2.3.2,
    augmentation vi).

    Args:
        tries: rectangles tried on each slice.
        p: probability of each.
        area: smallest and largest area, as fractions of the slice.
        aspect: smallest and largest ratio of height to width, drawn log-uniformly.
    """

    def __init__(
        self,
        tries: int = 5,
        p: float = 0.2,
        area: tuple[float, float] = (0.001, 0.01),
        aspect: tuple[float, float] = (0.1, 10.0),
    ) -> None:
        self.tries = tries
        self.p = p
        self.area = area
        self.aspect = aspect

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        n, height, width = shape
        z = np.repeat(np.arange(n), self.tries)[rng.random(n * self.tries) < self.p]
        area = rng.uniform(*self.area, size=len(z)) * height * width
        ratio = np.exp(rng.uniform(np.log(self.aspect[0]), np.log(self.aspect[1]), size=len(z)))
        h = np.clip(np.round(np.sqrt(area * ratio)), 1, height).astype(np.int64)
        w = np.clip(np.round(np.sqrt(area / ratio)), 1, width).astype(np.int64)
        y0 = rng.integers(0, height - h + 1)
        x0 = rng.integers(0, width - w + 1)
        return {"rectangles": np.stack([z, y0, y0 + h, x0, x0 + w], axis=1).tolist()}

    @staticmethod
    def apply(stack: Tensor, rectangles: Sequence[Sequence[Sequence[int]]]) -> Tensor:
        """Cut rectangles out.

        Args:
            stack: the stacks.
            rectangles: those of each sample, each (slice, y0, y1, x0, x1), ends excluded.

        Shapes:
            stack ``[B, C, Z, Y, X]``, result the same.

        Raises:
            InputError: for a rectangle that is not within the slices.
        """
        check_stacks(stack, rectangles)
        counts = [len(r) for r in rectangles]
        drawn = np.array([r for sample in rectangles for r in sample], dtype=np.int64).reshape(-1, 5)
        z, y0, y1, x0, x1 = drawn.T
        ends = drawn[:, [0, 2, 4]] + [1, 0, 0]
        wrong = (drawn < 0).any(1) | (ends > stack.shape[2:]).any(1) | (y1 < y0) | (x1 < x0)
        if wrong.any():
            got = drawn[wrong][0].tolist()
            raise InputError(f"rectangles: expected them within {tuple(stack.shape[2:])}, got {got}")
        width = x1 - x0
        area = (y1 - y0) * width
        # One entry a pixel: its rectangle, and its number within it.
        of = np.repeat(np.arange(len(drawn)), area)
        number = np.arange(len(of)) - np.repeat(np.cumsum(area) - area, area)
        y, x = y0[of] + number // width[of], x0[of] + number % width[of]
        pixel = (z[of] * stack.size(3) + y) * stack.size(4) + x
        sample = np.repeat(np.arange(len(stack)), counts)[of]
        out = stack.flatten(2).clone()
        rows, columns = (torch.from_numpy(v).to(stack.device) for v in (sample, pixel))
        out[rows, :, columns] = 0
        return out.view_as(stack)
