"""How well images of molecules explain a scan: noise, evidence and probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from torch_afm.metrics.images import noise_share

#: Independent observations in a scan. Residuals of fits are no white noise: what simulators lack is smooth.
OBSERVATIONS = 200.0

#: Smallest share of the variance of a slice that no simulation explains: residuals of the right molecules of
#: the stand-in are seldom smaller.
_FLOOR = 0.005

#: Of the molecules that are not among the candidates: the mean squared difference of normalized slices that
#: one of them would leave, and the evidence that a fit costs.
_OTHERS, _OCCAM = 0.08, 30.0

#: Evidence that counts as one unit of log-probability.
_TEMPERATURE = 4.0

#: Mask of the second differences of white noise, whose variance they have 36 times.
_LAPLACE = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]])


def noise_floor(stack: np.ndarray, blur: tuple[float, float] | None = None) -> np.ndarray:
    r"""Share of the variance of each slice that is noise, from the scan itself: the larger of what differs
    between slices and is not smooth in height (:func:`torch_afm.metrics.images.noise_share`) and of what
    differs between pixels,

    .. math::
        \sigma = \sqrt{\frac{\pi}{2}} \frac{1}{6} \langle |L * s| \rangle

    with the mask L, the difference of two Laplacians, which takes planes and edges out (Immerkær, Comput.
    Vis. Image Underst. 64, 300 (1996)); at least half a hundredth, for no simulation is perfect.

    Args:
        stack: the scan.
        blur: standard deviations of a Gaussian in pixels, along y and x, by which slices are blurred before
            they are compared: white noise falls by :math:`4 \pi \sigma_y \sigma_x`.

    Shapes:
        stack ``[Z, Y, X]`` -> ``[Z]``.
    """
    pixels = np.array([ndimage.convolve(image, _LAPLACE, mode="nearest") for image in stack])
    inner = np.abs(pixels[:, 1:-1, 1:-1]) if min(stack.shape[1:]) > 2 else np.abs(pixels)
    power = np.pi / 2 * (inner.mean(axis=(1, 2)) / 6) ** 2
    if blur is not None:
        power = power / max(1.0, 4 * np.pi * blur[0] * blur[1])
        stack = ndimage.gaussian_filter(stack, (0, *blur))
    share = power / np.maximum(stack.var(axis=(1, 2)), np.finfo(float).tiny)
    return np.clip(np.maximum(share, noise_share(stack)), _FLOOR, 1.0)


def log_likelihood(mse: np.ndarray, floor: np.ndarray) -> float:
    r"""Logarithm of the likelihood of a simulated stack, up to a constant,

    .. math::
        -\frac{n}{2 S} \sum_s \log(m_s + \nu_s) ,

    with the mean squared difference :math:`m_s` of the slices of scan and image, both without their planes
    and of unit variance, the share :math:`\nu_s` of noise, and n = 200 independent observations: the noise is
    normal, of a width that is not known and integrated out.

    Args:
        mse: of each slice.
        floor: :func:`noise_floor` of the scan.

    Shapes:
        mse ``[Z]``, floor ``[Z]``.
    """
    return float(-0.5 * OBSERVATIONS * np.log(mse + floor).mean())


def other_evidence(floor: np.ndarray) -> float:
    """The evidence for a molecule that is not among the candidates.

    Shapes:
        floor ``[Z]``.
    """
    return log_likelihood(np.full_like(floor, _OTHERS), floor) - _OCCAM


def probabilities(evidence: Sequence[float], other: float) -> tuple[np.ndarray, float]:
    """Of each candidate, and that it is none of them.

    Args:
        evidence: of the candidates.
        other: for a molecule that is not among them.
    """
    values = np.array([*evidence, other]) / _TEMPERATURE
    weights = np.exp(values - values.max())
    weights /= weights.sum()
    return weights[:-1], float(weights[-1])
