r"""Kernel inception distance."""

from __future__ import annotations

import numpy as np

from torch_afm.metrics.distributions.samples import pair
from torch_afm.utils import InputError


def kernel_distance(x: np.ndarray, y: np.ndarray) -> float:
    r"""Unbiased estimate of the squared maximum mean discrepancy with the kernel
    :math:`k(x, y) = (x^\top y / F + 1)^3`, the KID of Bińkowski et al. (arXiv:1801.01401) with any features,
    over all images at once. Unbiased, it falls below 0 for sets that are alike.

    Args:
        x: features, of the order of 1.
        y: features.

    Shapes:
        x ``[N, F]``, y ``[M, F]``.

    Raises:
        InputError: for fewer than two images on a side, a NaN, or different ``F``.
    """
    rows = [sample.values for sample in pair(x, y)]
    for name, features in zip("xy", rows, strict=True):
        if len(features) < 2:
            raise InputError(f"{name}: expected two images or more, got {len(features)}")
    inside = []
    for features in rows:
        kernel = _kernel(features, features)
        inside.append((kernel.sum() - np.trace(kernel)) / (len(features) * (len(features) - 1)))
    return float(sum(inside) - 2 * _kernel(*rows).mean())


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1) ** 3
