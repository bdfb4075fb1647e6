"""Normalisation of each slice."""

from __future__ import annotations

import torch
from torch import Tensor


class NormalizeSlices:
    """Zero mean and unit variance for each slice (the thesis, section 2.3.2, augmentation iii). A slice
    without contrast, as over an empty graph, becomes zero.

    Args:
        eps: a standard deviation (Hz) at or below this counts as no contrast.

    Shapes:
        stack ``[..., Y, X]``, result the same.
    """

    def __init__(self, eps: float = 1e-6) -> None:
        self.eps = eps

    def __call__(self, stack: Tensor) -> Tensor:
        std, mean = torch.std_mean(stack, dim=(-2, -1), keepdim=True, correction=0)
        return torch.where(std > self.eps, (stack - mean) / std.clamp_min(self.eps), torch.zeros_like(stack))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(eps={self.eps})"
