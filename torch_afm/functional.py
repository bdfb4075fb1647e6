"""Functions of stacks that networks, search, refinement and metrics share."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

#: A standard deviation at or below this counts as no contrast.
_FLAT = 1e-6


def normalize_slices(stack: Tensor) -> Tensor:
    """Zero mean and unit variance for each slice; a slice without contrast, as over an empty graph, becomes
    zero.

    Args:
        stack: in Hz or any other unit.

    Shapes:
        stack ``[..., Y, X]``, result the same.
    """
    # Rows first, then columns: several times faster than torch.std_mean over both, and as exact.
    centered = stack - stack.mean(-1, keepdim=True).mean(-2, keepdim=True)
    norms = torch.linalg.vector_norm(centered, dim=-1, keepdim=True)
    variance = norms.square().mean(-2, keepdim=True) / stack.size(-1)
    flat = variance <= _FLAT**2
    return centered * torch.where(flat, 0.0, 1 / torch.where(flat, 1.0, variance).sqrt())


def interpolate_heights(heights: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Weights ``[W, M]`` that turn slices at ``heights`` ``[M]``, decreasing, into those at ``wanted``
    ``[W]``: linear between two, the first or the last beyond."""
    at = np.clip(wanted, heights[-1], heights[0])
    weights = np.zeros((len(at), len(heights)))
    if len(heights) == 1:
        return weights + 1.0
    lower = np.clip(np.searchsorted(-np.asarray(heights), -at), 1, len(heights) - 1)
    share = (at - heights[lower]) / (heights[lower - 1] - heights[lower])
    rows = np.arange(len(at))
    weights[rows, lower], weights[rows, lower - 1] = 1 - share, share
    return weights


def network_slices(heights: np.ndarray, n_slices: int, dz: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights that turn slices at any heights into those of a network: ``n_slices`` in even steps, the last
    at the height of the nearest that was measured; linear between two that were.

    Args:
        heights: of the measured slices in Å, decreasing.
        n_slices: slices of the network.
        dz: step of height in Å between them.

    Shapes:
        heights ``[M]``; returns the weights ``[Z, M]``, and which slices are no higher above all that was
        measured than half a step, ``[Z]`` booleans; the weights of the others are 0.
    """
    above = np.asarray(heights, dtype=np.float64) - heights[-1]
    wanted = dz * np.arange(n_slices - 1, -1, -1)
    valid = wanted <= above[0] + dz / 2
    return interpolate_heights(above, wanted) * valid[:, None], valid


def pearson(a: Tensor, b: Tensor) -> Tensor:
    r"""Pearson's correlation of images, slice by slice, in float64,

    .. math::
        r = \frac{\sum_i (a_i - \bar a)(b_i - \bar b)}
        {\sqrt{\sum_i (a_i - \bar a)^2 \sum_i (b_i - \bar b)^2}} ;

    0 where an image has no contrast. It does not depend on the units of either.

    Shapes:
        a, b ``[..., Y, X]``, broadcast against each other; result ``[...]``.
    """
    da, db = (s.double() - s.double().mean((-2, -1), keepdim=True) for s in (a, b))
    norm = (da.square().sum((-2, -1)) * db.square().sum((-2, -1))).sqrt()
    product = (da * db).sum((-2, -1))
    return torch.where(norm > 0, product / torch.where(norm > 0, norm, 1.0), 0.0)
