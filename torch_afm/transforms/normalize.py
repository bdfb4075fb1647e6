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
        # Rows first, then columns: several times faster than torch.std_mean over both, and as exact.
        centred = stack - stack.mean(-1, keepdim=True).mean(-2, keepdim=True)
        norms = torch.linalg.vector_norm(centred, dim=-1, keepdim=True)
        variance = norms.square().mean(-2, keepdim=True) / stack.size(-1)
        flat = variance <= self.eps**2
        return centred * torch.where(flat, 0.0, 1 / torch.where(flat, 1.0, variance).sqrt())

    def __repr__(self) -> str:
        return f"{type(self).__name__}(eps={self.eps})"
