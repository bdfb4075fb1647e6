"""Lateral drift between slices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from torch_afm.transforms.base import Drawn, RandomStackTransform, StackTransform
from torch_afm.utils import check_shape


class ShiftSlices(StackTransform):
    """Shift each slice sideways, with bilinear interpolation; pixels from outside repeat the border.

    Args:
        shifts: (x, y) of each slice of each sample, as fractions of the width and height in pixels.

    Shapes:
        shifts ``[B, Z, 2]``; stack ``[B, C, Z, Y, X]``, result the same.

    Raises:
        InputError: for another number of slices.
    """

    def __init__(self, shifts: Sequence[Sequence[Sequence[float]]]) -> None:
        self.shifts = shifts

    def __call__(self, stack: Tensor) -> Tensor:
        self.check(stack, self.shifts)
        height, width = stack.shape[3:]
        shifts = np.asarray(self.shifts, dtype=np.float64)
        check_shape("shifts", shifts, (len(stack), stack.size(2), 2))
        offset = -shifts * (width, height)
        whole = np.floor(offset)
        pad = int(np.abs(offset).max()) + 1
        # All slices as rows, and of each, padded, the window that its shift brings into sight.
        rows = F.pad(stack.flatten(0, 1), (pad, pad + 1, pad, pad + 1), mode="replicate").flatten(0, 1)
        corner = torch.from_numpy(whole.astype(np.int64) + pad).to(stack.device)
        fraction = torch.from_numpy(offset - whole).to(stack)
        corner, fraction = (v.repeat_interleave(stack.size(1), 0).reshape(-1, 2) for v in (corner, fraction))
        windows = rows.unfold(1, height + 1, 1).unfold(2, width + 1, 1)
        seen = windows[torch.arange(len(rows), device=stack.device), corner[:, 1], corner[:, 0]]
        fx, fy = fraction.reshape(-1, 2, 1, 1).unbind(1)
        left = seen[:, :, :-1]
        along = (seen[:, :, 1:] - left).mul_(fx).add_(left)
        upper = along[:, :-1]
        return (along[:, 1:] - upper).mul_(fy).add_(upper).view_as(stack)


class RandomSliceShift(RandomStackTransform):
    """Draw :class:`ShiftSlices`: each slice moves against the next nearer one, the nearest stays (the thesis,
    section 2.3.2, augmentation v).

    Args:
        step: largest shift between neighbours, as a fraction of the width.
        total: largest shift of any slice.
    """

    applies = ShiftSlices

    def __init__(self, step: float = 0.02, total: float = 0.04) -> None:
        self.step = step
        self.total = total

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        shifts = [[0.0, 0.0]]
        for dx, dy in rng.uniform(-self.step, self.step, size=(shape[0] - 1, 2)).tolist():
            x, y = shifts[-1]
            moved = x + dx, y + dy
            shifts.append([min(max(v, -self.total), self.total) for v in moved])
        return {"shifts": shifts[::-1]}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(step={self.step}, total={self.total})"
