"""Small patches of zeros."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class RandomCutout:
    """Set small rectangles of each slice to zero, its mean after normalisation (the thesis, section 2.3.2,
    augmentation vi).

    Args:
        tries: rectangles tried on each slice.
        p: probability of each.
        area: smallest and largest area, as fractions of the slice.
        aspect: smallest and largest ratio of height to width, drawn log-uniformly.

    Shapes:
        stack ``[C, Z, Y, X]``, result the same; :meth:`draw` gives ``[K, 5]`` rows (slice, y0, y1, x0, x1).
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

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Tensor:
        """Rectangles for a stack of ``shape`` (Z, Y, X)."""
        n, height, width = shape
        hit = np.repeat(np.arange(n), self.tries)[rng.random(n * self.tries) < self.p]
        area = rng.uniform(*self.area, size=len(hit)) * height * width
        ratio = np.exp(rng.uniform(np.log(self.aspect[0]), np.log(self.aspect[1]), size=len(hit)))
        h = np.clip(np.round(np.sqrt(area * ratio)), 1, height).astype(np.int64)
        w = np.clip(np.round(np.sqrt(area / ratio)), 1, width).astype(np.int64)
        y0 = rng.integers(0, height - h + 1)
        x0 = rng.integers(0, width - w + 1)
        return torch.from_numpy(np.stack([hit, y0, y0 + h, x0, x0 + w], axis=1))

    def apply(self, stack: Tensor, rectangles: Tensor) -> Tensor:
        """Zero the ``rectangles`` of ``stack``."""
        stack = stack.clone()
        for z, y0, y1, x0, x1 in rectangles.tolist():
            stack[:, z, y0:y1, x0:x1] = 0
        return stack

    def __call__(self, stack: Tensor, rng: np.random.Generator) -> Tensor:
        n, height, width = stack.shape[1:]
        return self.apply(stack, self.draw((n, height, width), rng))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(tries={self.tries}, p={self.p}, area={self.area}, aspect={self.aspect})"
        )
