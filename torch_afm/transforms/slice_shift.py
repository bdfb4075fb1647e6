"""Lateral drift between slices."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


class RandomSliceShift:
    """Shift each slice against the next nearer one, the nearest staying fixed (the thesis, section 2.3.2,
    augmentation v). Pixels from outside repeat the border.

    Args:
        step: largest shift between neighbours, as a fraction of the width.
        total: largest shift of any slice.

    Shapes:
        stack ``[C, Z, Y, X]``, result the same; :meth:`draw` gives ``[Z, 2]`` (x, y) fractions.
    """

    def __init__(self, step: float = 0.02, total: float = 0.04) -> None:
        self.step = step
        self.total = total

    def draw(self, n_slices: int, rng: np.random.Generator) -> Tensor:
        """Shifts of all slices, far to near, as fractions of the width."""
        shifts = np.zeros((n_slices, 2))
        for i in range(n_slices - 2, -1, -1):
            moved = shifts[i + 1] + rng.uniform(-self.step, self.step, size=2)
            shifts[i] = np.clip(moved, -self.total, self.total)
        return torch.from_numpy(shifts)

    def apply(self, stack: Tensor, shifts: Tensor) -> Tensor:
        """Shift slice ``z`` of ``stack`` by ``shifts[z]`` (bilinear)."""
        n = stack.size(1)
        theta = torch.eye(2, 3, dtype=stack.dtype, device=stack.device).repeat(n, 1, 1)
        # affine_grid maps the output to the input, on coordinates that span [-1, 1].
        theta[:, :, 2] = -2 * shifts.to(stack)
        slices = stack.transpose(0, 1)
        grid = F.affine_grid(theta, list(slices.shape), align_corners=False)
        moved = F.grid_sample(slices, grid, padding_mode="border", align_corners=False)
        return moved.transpose(0, 1)

    def __call__(self, stack: Tensor, rng: np.random.Generator) -> Tensor:
        return self.apply(stack, self.draw(stack.size(1), rng))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(step={self.step}, total={self.total})"
