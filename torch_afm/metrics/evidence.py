"""How well images of molecules explain a scan: noise, evidence and probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

#: Independent observations in a scan. Residuals of fits are no white noise: what simulators lack is smooth.
OBSERVATIONS = 200.0

#: Smallest share of the variance of a slice that no simulation explains: residuals of the right molecules of
#: the stand-in are seldom smaller.
_FLOOR = 0.005

#: Of molecules that are not among the candidates: the mean squared difference of normalized slices that the
#: right one leaves, for no simulation is perfect, besides the noise; and the evidence that a fit costs.
_OTHERS, _OCCAM = 0.03, 35.0

#: Evidence that counts as one unit of log-probability.
_TEMPERATURE = 4.0

#: Mask of the second differences of white noise, whose variance they have 36 times, and pixels from each
#: entry to the next: noise that was interpolated shows at the second.
_LAPLACE, _STEPS = np.array([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]]), (1, 2)

#: Third differences of slices.
_THIRD = np.array([1.0, -3.0, 3.0, -1.0])


def noise_floor(stack: np.ndarray, blur: tuple[float, float] | None = None) -> np.ndarray:
    r"""Share of the variance of each slice that is noise, from the scan itself, the sum of three parts. What
    differs between pixels,

    .. math::
        \sigma = \sqrt{\frac{\pi}{2}} \frac{1}{6} \langle |L * s| \rangle

    with the mask L, the difference of two Laplacians, which takes planes and edges out (Immerkær, Comput.
    Vis. Image Underst. 64, 300 (1996)), with its entries one or two pixels away from each other, whichever
    shows more. Offsets of rows, alike: of the median of each row's second difference to its neighbors, whose
    variance is 6 times theirs. And, of four slices and more, what else is not smooth in height: the third
    differences of slices (:func:`torch_afm.metrics.images.noise_share`) less what the other two make of them.
    At least half a hundredth, for no simulation is perfect.

    Args:
        stack: the scan.
        blur: standard deviations of a Gaussian in pixels, along y and x, by which slices are blurred before
            they are compared: white noise falls by :math:`4 \pi \sigma_y \sigma_x`, that of rows by
            :math:`2 \sqrt{\pi} \sigma_y`.

    Shapes:
        stack ``[Z, Y, X]`` -> ``[Z]``.
    """
    white = np.max([_white_noise(stack, step) for step in _STEPS], axis=0)
    rows = _row_noise(stack, white)
    if blur is not None:
        white = white / max(1.0, 4 * np.pi * blur[0] * blur[1])
        rows = rows / max(1.0, 2 * np.sqrt(np.pi) * blur[0])
        stack = ndimage.gaussian_filter(stack, (0, *blur))
    known = (white + rows) / np.maximum(stack.var(axis=(1, 2)), np.finfo(float).tiny)
    return np.clip(known + _rough_in_height(stack, known), _FLOOR, 1.0)


def _white_noise(stack: np.ndarray, step: int) -> np.ndarray:
    """Variance of the white noise of each slice."""
    mask = np.zeros((2 * step + 1,) * 2)
    mask[::step, ::step] = _LAPLACE
    size = np.abs([ndimage.convolve(image, mask, mode="nearest") for image in stack])
    inner = size[:, step:-step, step:-step] if min(stack.shape[1:]) > 2 * step else size
    return np.pi / 2 * (inner.mean(axis=(1, 2)) / 6) ** 2


def _row_noise(stack: np.ndarray, white: np.ndarray) -> np.ndarray:
    """Variance of the offsets of the rows of each slice, given that of its white noise."""
    if stack.shape[1] < 3:
        return np.zeros(len(stack))
    median = np.median(np.diff(stack, 2, axis=1), axis=2)
    power = np.pi / 2 * np.abs(median).mean(axis=1) ** 2
    # The median of n normal numbers varies pi / 2n times as much as one.
    return np.clip(power / 6 - np.pi / 2 * white / stack.shape[2], 0.0, None)


def _rough_in_height(stack: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Share of the variance of each slice that differs from those next to it, beyond the noise known."""
    n, count = len(stack), len(_THIRD)
    if n < count:
        return np.zeros(n)
    window = np.lib.stride_tricks.sliding_window_view
    centered = stack - stack.mean(axis=(1, 2), keepdims=True)
    scale = np.maximum(centered.std(axis=(1, 2), keepdims=True), np.finfo(float).tiny)
    power = ((window(centered / scale, count, axis=0) @ _THIRD) ** 2).mean(axis=(1, 2))
    more = np.clip(power - window(known, count) @ _THIRD**2, 0.0, None) / (_THIRD**2).sum()
    return np.array([more[max(0, s - count + 1) : min(s, n - count) + 1].mean() for s in range(n)])


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
    """The evidence for a molecule that is not among the candidates: that of a fit as good as those of right
    molecules usually are, to the validation part of the stand-in.

    Args:
        floor: :func:`noise_floor` of the scan.

    Shapes:
        floor ``[Z]``.
    """
    return log_likelihood(floor + _OTHERS, floor) - _OCCAM


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
