"""Slices with their neighbours."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_afm.utils import InputError


def slice_windows(stack: Tensor, context: int) -> Tensor:
    """Every slice as an image of its own, whose channels are the slice and ``context`` neighbours on either
    side (the slices at the ends repeat): what makes translation know of the third dimension.

    Shapes:
        stack ``[B, Z, Y, X]``, returns ``[B Z, 2 context + 1, Y, X]``.

    Raises:
        InputError: for another shape.
    """
    if stack.ndim != 4 or context < 0:
        raise InputError(
            f"stack, context: expected [B, Z, Y, X] and at least 0, got {list(stack.shape)}, {context}"
        )
    depth = stack.size(1)
    steps = torch.arange(-context, context + 1, device=stack.device)
    near = (torch.arange(depth, device=stack.device)[:, None] + steps).clamp(0, depth - 1)
    return stack[:, near].flatten(0, 1)
