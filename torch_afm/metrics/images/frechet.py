r"""Fréchet distance."""

from __future__ import annotations

import warnings

import numpy as np

from torch_afm.metrics.distributions.samples import pair
from torch_afm.utils import InputError


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    r"""Squared Wasserstein distance (of order 2) of the Gaussians with the means and covariances of two sets
    of features, the FID of Heusel et al. (arXiv:1706.08500, eq. 6) with any features:

    .. math:: \|\mu_1 - \mu_2\|^2 + \mathrm{tr}\left(\Sigma_1 + \Sigma_2 - 2 (\Sigma_1 \Sigma_2)^{1/2}\right).

    Few images bias it upwards, most where there are fewer than features: the covariance is then rank
    deficient, which a warning tells. Compare it with its floor only
    (:func:`torch_afm.metrics.images.compare_images`).

    Args:
        x: features.
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
        rank = covariance_rank(features)
        if rank < features.shape[1]:
            warnings.warn(
                f"{name}: {len(features)} images give {features.shape[1]} features a covariance of rank "
                f"{rank}; their Fréchet distance is biased",
                stacklevel=2,
            )
    first, second = (np.atleast_2d(np.cov(features, rowvar=False)) for features in rows)
    shift = rows[0].mean(axis=0) - rows[1].mean(axis=0)
    # The eigenvalues of the product are those of a symmetric matrix, which rounding leaves real.
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    joint = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ second @ root), 0)).sum()
    return float(max(shift @ shift + np.trace(first) + np.trace(second) - 2 * joint, 0.0))


def covariance_rank(features: np.ndarray) -> int:
    """Rank of the covariance of features ``[N, F]``, each scaled to its own spread first, so that units do
    not matter."""
    deviation = features - features.mean(axis=0)
    spread = deviation.std(axis=0)
    scaled = deviation / np.where(spread > 0, spread, 1)
    return int(np.linalg.matrix_rank(scaled))
