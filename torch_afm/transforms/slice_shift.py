"""Lateral drift between slices (the graph-AFM thesis, Aalto University, see CITATION.cff, section 2.3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from torch_afm.transforms.base import Drawn, StackAugmentation, check_stacks
from torch_afm.utils import check_shape


class SliceShift(StackAugmentation, recorded_as="ShiftSlices"):
    """Shift each slice sideways: each moves against the next nearer one, the nearest stays (the thesis,
    section 2.3.2, augmentation v).

    Args:
        step: largest shift between neighbors, as a fraction of the width.
        total: largest shift of any slice.
    """

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

    @staticmethod
    def apply(stack: Tensor, shifts: Sequence[Sequence[Sequence[float]]]) -> Tensor:
        """Shift slices, with bilinear interpolation; pixels from outside repeat the border.

        Args:
            stack: the stacks.
            shifts: (x, y) of each slice of each sample, as fractions of the width and height in pixels.

        Shapes:
            stack ``[B, C, Z, Y, X]``, shifts ``[B, Z, 2]``, result as the stack.

        Raises:
            InputError: for another number of slices.
        """
        check_stacks(stack, shifts)
        height, width = stack.shape[3:]
        by = np.asarray(shifts, dtype=np.float64)
        check_shape("shifts", by, (len(stack), stack.size(2), 2))
        offset = -by * (width, height)
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
