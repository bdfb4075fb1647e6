"""Distances between two sets of images, beside what the target itself gives."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torch_afm.metrics.distributions.kernels import mmd
from torch_afm.metrics.distributions.samples import pair
from torch_afm.metrics.images.features import Extractor, image_features, physical_features
from torch_afm.utils import InputError


def frechet_distance(x: np.ndarray, y: np.ndarray) -> float:
    r"""Squared Wasserstein distance (of order 2) of the Gaussians with the means and covariances of two sets
    of features, the FID of Heusel et al. (arXiv:1706.08500, eq. 6) with any features:

    .. math:: \|\mu_1 - \mu_2\|^2 + \mathrm{tr}\left(\Sigma_1 + \Sigma_2 - 2 (\Sigma_1 \Sigma_2)^{1/2}\right).

    Few images bias it upwards, most where there are fewer than features: the covariance is then rank
    deficient, and a warning says so. Compare it with its floor only
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


_DISTANCES = {"frechet": frechet_distance, "kid": kernel_distance, "mmd": mmd}


def compare_images(
    stacks: np.ndarray | Tensor,
    target: np.ndarray | Tensor,
    extractor: Extractor = physical_features,
    slices: bool = True,
    seed: int = 0,
    batch_size: int = 64,
) -> dict[str, Any]:
    r"""Fréchet distance, KID and MMD between the features of stacks and of a target, each beside its *floor*,
    the same between two random halves of the target (whole stacks on either side). Features are first shifted
    and scaled to mean 0 and standard deviation 1 on the target, so that no unit outweighs the others; those
    that are constant there are left unscaled. Metrics disagree: judge by several, and together with
    :func:`torch_afm.metrics.images.content_preservation`.

    Args:
        stacks: say, translated ones.
        target: what they should look like; another number of stacks will do.
        extractor: what computes the features (:func:`torch_afm.metrics.images.image_features`).
        slices: compare slices; else whole stacks, with slices as channels.
        seed: of the halves.
        batch_size: images given to the extractor at once.

    Returns:
        ``frechet``, ``kid``, ``mmd`` -> ``value`` and ``floor``; ``images``, ``target_images``: their
        numbers; ``features``: :math:`F`; ``rank`` and ``target_rank``: ranks of the covariances, below
        :math:`F` where the Fréchet distance is biased by too few images (warned of, too); ``slices``,
        ``seed``.

    Shapes:
        both ``[N, Z, Y, X]`` or ``[N, C, Z, Y, X]``.

    Raises:
        InputError: for other shapes, a NaN, fewer than four stacks in the target (each half needs two) or two
            of the others.
    """
    total = len(torch.as_tensor(target))
    if total < 4 or len(torch.as_tensor(stacks)) < 2:
        got = f"{total} and {len(torch.as_tensor(stacks))}"
        raise InputError(f"target, stacks: expected at least 4 and 2 stacks, got {got}")
    x, y = (image_features(s, extractor, slices, batch_size) for s in (stacks, target))
    if x.shape[1] != y.shape[1]:
        raise InputError(f"stacks: expected {y.shape[1]} features as of the target, got {x.shape[1]}")
    mean, spread = y.mean(axis=0), y.std(axis=0)
    # Rounding leaves a constant feature a spread of about 1e-16 of it.
    spread = np.where(spread > 1e-10 * np.abs(mean), spread, 1.0)
    x, y = (x - mean) / spread, (y - mean) / spread
    order = np.random.default_rng(seed).permutation(total)
    halves = [
        y.reshape(total, -1, y.shape[1])[half].reshape(-1, y.shape[1]) for half in np.array_split(order, 2)
    ]
    found: dict[str, Any] = {}
    for name, distance in _DISTANCES.items():
        value = distance(x, y)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that of the value was enough, and the rank is returned
            found[name] = {"value": value, "floor": distance(*halves)}
    return found | {
        "images": len(x),
        "target_images": len(y),
        "features": x.shape[1],
        "rank": covariance_rank(x),
        "target_rank": covariance_rank(y),
        "slices": slices,
        "seed": seed,
    }
