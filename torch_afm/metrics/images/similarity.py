"""Agreement of images with a reference or a source, slice by slice."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from torch_afm.functional import normalize_slices, pearson
from torch_afm.metrics.images.features import as_images
from torch_afm.utils import InputError, check_finite, check_shape

#: Constants of the structural similarity: width of the Gaussian window in pixels and where it is cut off in
#: widths (11 x 11 pixels), and the two constants that keep it finite.
SSIM_SIGMA, SSIM_TRUNCATE, SSIM_K = 1.5, 3.5, (0.01, 0.03)

#: Differences of neighboring slices, by how many of them there are: what is left of noise alone.
_DIFFERENCES = ((0.0,), (0.0,), (1.0, -1.0), (1.0, -2.0, 1.0), (1.0, -3.0, 3.0, -1.0))


def agreement(stack: np.ndarray, reference: np.ndarray) -> dict[str, list[float]]:
    r"""Scores of a stack against a reference, one a slice, far to near: the mean squared difference in Hz²,
    Pearson's r (0 where a slice has no contrast), and the structural similarity (Wang et al., IEEE Trans.
    Image Process. 13, 600 (2004))

    .. math::
        \mathrm{SSIM} = \mathrm{mean}_{yx} \frac{(2 \mu_a \mu_b + c_1)(2 \sigma_{ab} + c_2)}
        {(\mu_a^2 + \mu_b^2 + c_1)(\sigma_a^2 + \sigma_b^2 + c_2)}, \qquad c_i = (K_i L)^2,

    with means and covariances in a Gaussian window of 1.5 pixels, mirrored at the edges, and :math:`L` the
    range of the reference slice.

    Args:
        stack: simulated from a prediction, in Hz.
        reference: in Hz.

    Returns:
        ``mse``, ``pearson``, ``ssim``.

    Shapes:
        both ``[Z, Y, X]``.

    Raises:
        InputError: for different shapes, or values that are not finite.
    """
    check_shape("reference", reference, (None, None, None))
    check_shape("stack", stack, reference.shape)
    check_finite("stack", stack)
    check_finite("reference", reference)
    a, b = (np.asarray(s, dtype=np.float64) for s in (stack, reference))
    return {
        "mse": ((a - b) ** 2).mean(axis=(1, 2)).tolist(),
        "pearson": pearson(torch.from_numpy(a), torch.from_numpy(b)).tolist(),
        "ssim": ssim(a, b, np.ptp(b, axis=(1, 2))).tolist(),
    }


def noise_share(stack: np.ndarray) -> np.ndarray:
    r"""Share of the variance of each slice that is noise. Contrast changes smoothly with height, noise does
    not: with slices :math:`n_s` of zero mean and unit variance, the noise of slice s is the mean of

    .. math::
        \nu = \frac{1}{20} \left\langle (n_k - 3 n_{k+1} + 3 n_{k+2} - n_{k+3})^2 \right\rangle_{yx}

    over the third differences that s is in (von Neumann et al., Ann. Math. Stat. 12, 153 (1941), for first
    ones): 20 is the sum of the squared coefficients. Of three or two slices, second or first differences; of
    one, none. A perfect simulation has a Pearson's r of :math:`\sqrt{1 - \nu}` with the slice.

    Shapes:
        stack ``[Z, Y, X]`` -> ``[Z]``, from 0 to 1.

    Raises:
        InputError: for another shape, or values that are not finite.
    """
    check_shape("stack", stack, (None, None, None))
    check_finite("stack", stack)
    slices = normalize_slices(torch.from_numpy(np.asarray(stack, dtype=np.float64))).numpy()
    weights = np.array(_DIFFERENCES[min(len(slices), 4)])
    count, n = len(weights), len(slices)
    windows = np.lib.stride_tricks.sliding_window_view(slices, count, axis=0)
    power = ((windows @ weights) ** 2).mean(axis=(1, 2)) / max((weights**2).sum(), 1)
    inside = [power[max(0, s - count + 1) : min(s, n - count) + 1].mean() for s in range(n)]
    return np.clip(inside, 0.0, 1.0)


def ssim(a: np.ndarray, b: np.ndarray, span: float | np.ndarray) -> np.ndarray:
    """Structural similarity of images, see :func:`agreement`.

    Args:
        a: images.
        b: images.
        span: dynamic range :math:`L`, of all or of each; where it is 0 any one serves, and images that
            differ score below 1.

    Shapes:
        a, b ``[N, Y, X]`` -> ``[N]``.
    """
    span = np.broadcast_to(span, len(a))
    c1, c2 = ((k * np.where(span > 0, span, 1.0)[:, None, None]) ** 2 for k in SSIM_K)

    def smooth(s: np.ndarray) -> np.ndarray:
        return gaussian_filter(s, (0, SSIM_SIGMA, SSIM_SIGMA), truncate=SSIM_TRUNCATE, mode="mirror")

    ma, mb = smooth(a), smooth(b)
    va, vb, cov = smooth(a * a) - ma**2, smooth(b * b) - mb**2, smooth(a * b) - ma * mb
    score = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    return score.mean(axis=(1, 2))


#: Slices that correlate less with their source have lost it.
_LOST = 0.5
#: Side of the window of the structural similarity in pixels.
_WINDOW = 11


def content_preservation(stacks: np.ndarray | Tensor, source: np.ndarray | Tensor) -> dict[str, float | None]:
    r"""How much of their source translated stacks still show, whatever their style. Distances of
    distributions cannot tell: an image of another molecule in the right style has none.

    Args:
        stacks: translated stacks.
        source: what each was translated from, in the same unit.

    Returns:
        ``correlation``: mean Pearson correlation of slices with their source (a flat slice has 0);
        ``correlation_median``; ``lost``: share of slices with less than 0.5;
        ``ssim``: mean structural similarity (Wang et al., IEEE Trans. Image Process. 13, 600 (2004)),
        with the range of all sources as dynamic range;
        ``adjacent`` and ``adjacent_source``: mean correlation of neighboring slices of a stack, in the
        translation and in the source (``None`` for single slices): a translation slice by slice lowers it.

    Shapes:
        both ``[N, Z, Y, X]`` or ``[N, C, Z, Y, X]``, Y and X of at least 11 pixels.

    Raises:
        InputError: for other or different shapes, a NaN, or a flat source.
    """
    images = as_images("stacks", stacks, slices=True)
    sources = as_images("source", source, slices=True)
    shapes = list(torch.as_tensor(stacks).shape), list(torch.as_tensor(source).shape)
    if shapes[0] != shapes[1]:
        raise InputError(f"source: expected the shape of stacks, {shapes[0]}, got {shapes[1]}")
    if min(images.shape[2:]) < _WINDOW:
        raise InputError(f"stacks: expected Y and X of {_WINDOW} or more, got {shapes[0]}")
    span = float(sources.max() - sources.min())
    if span == 0:
        raise InputError("source: expected images that are not flat")
    with_source = pearson(images, sources)
    first, second = (v[:, 0].double().cpu().numpy() for v in (images, sources))
    return {
        "correlation": float(with_source.mean()),
        "correlation_median": float(with_source.median()),
        "lost": float((with_source < _LOST).double().mean()),
        "ssim": float(ssim(first, second, span).mean()),
        "adjacent": _adjacent(images, shapes[0][-3]),
        "adjacent_source": _adjacent(sources, shapes[0][-3]),
    }


def _adjacent(images: Tensor, depth: int) -> float | None:
    stacks = images.reshape(-1, depth, *images.shape[2:])
    return float(pearson(stacks[:, 1:], stacks[:, :-1]).mean()) if depth > 1 else None
