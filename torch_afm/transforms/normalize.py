"""Normalisation of each slice."""

from __future__ import annotations

from torch import Tensor

from torch_afm.functional import normalize_slices


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
        return normalize_slices(stack, self.eps)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(eps={self.eps})"
