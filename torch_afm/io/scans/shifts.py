"""How far one image lies from another, and whether an image repeats itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from torch_afm.utils import InputError

#: Standard deviation in pixels of the Gaussian that noise is smoothed by before images are compared.
_SMOOTHING = 1.0

#: Rounds of estimating what is left, at most; where they end, and the largest step of one, in pixels.
_ROUNDS, _END, _MAX_STEP = 50, 1e-3, 1.0

#: Correlation of two images at their best, at least: noise of 32 x 32 pixels comes to about 0.35.
_MIN_CORRELATION = 0.5

#: Blocks along each axis that are left out in turn, at most, and the pixels of one, at least.
_BLOCKS, _BLOCK = 6, 4

#: Pixels that no shift is surer than.
_MIN_ERROR = 0.01

#: Correlation of an image with itself, moved, from which on it is periodic (molecules come to 0.35, a
#: hexagonal layer to 0.97), below which a move has left the first peak, and the overlap that counts.
_PERIODIC, _LEFT, _OVERLAP = 0.7, 0.3, 0.4


@dataclass(frozen=True)
class Shift:
    """How far an image lies from another.

    Args:
        pixels: along y and x.
        error: standard error of each of them.

    Shapes:
        pixels ``[2]``.
    """

    pixels: np.ndarray
    error: float


def measure_shift(
    fixed: np.ndarray, moving: np.ndarray, start: np.ndarray | None = None, tilt: bool = False
) -> Shift:
    r"""How far ``moving`` lies from ``fixed``.

    The shift is first the maximum of the cross-correlation of the two images under a Hann window, on whole
    pixels, by Fourier transforms, or the peak of their correlation that is nearest to ``start``. From there
    it is the one at which the moved image is, in least squares, the fixed one times a gain plus an offset,
    found by Gauss-Newton steps with cubic splines (Lucas and Kanade, IJCAI 1981, 674): contrast may differ
    between images, and nothing pulls the shift towards whole pixels or zero.

    Its standard error is the jackknife's over :math:`B` blocks of the image (36, fewer in small images), with
    :math:`s_b` the shift without block :math:`b`:

    .. math:: \sigma^2 = \frac{B - 1}{B} \sum_b |s_b - \bar s|^2 / 2 ,

    at least 0.01 pixels. Noise differs between blocks, and so does contrast that changes its shape; what
    moves does not.

    Args:
        fixed: an image, about without tilt.
        moving: another of the same size.
        start: where about it is, in pixels along y and x.
        tilt: let a plane differ between the images, too: what was flattened before has one, by where its
            molecules lay. Where contrast changes as well, a plane lets it move more.

    Shapes:
        fixed, moving ``[Y, X]``; start ``[2]``.

    Raises:
        InputError: for images that have nothing in common (a correlation below 0.5).
    """
    fixed, moving = (ndimage.gaussian_filter(image, _SMOOTHING) for image in (fixed, moving))
    hann = np.outer(*(np.hanning(n + 2)[1:-1] for n in fixed.shape))
    if start is None:
        shift = _whole_pixels(fixed, moving, hann)
    else:
        shift = _nearest_peak(fixed, moving, np.asarray(start, dtype=float))
    plane = np.meshgrid(*(np.linspace(-1, 1, n) for n in fixed.shape), indexing="ij") if tilt else []
    parts = [fixed, np.ones_like(fixed), *plane, *(-slope for slope in np.gradient(fixed))]
    terms = np.stack(parts, axis=2).reshape(fixed.size, -1)
    spline = ndimage.spline_filter(moving, 3, mode="mirror")
    for _ in range(_ROUNDS):
        moved = _move(spline, shift)
        weight = (hann * _measured(fixed.shape, shift)).ravel()
        rows, values = terms * weight[:, None], moved.ravel() * weight
        found = np.linalg.lstsq(rows, values, rcond=None)[0]
        gain = found[0]
        step = found[-2:] / gain if gain > 0 else np.zeros(2)
        if np.abs(step).max() < _END or np.abs(shift).max() > max(fixed.shape):
            break
        shift = shift + np.clip(step, -_MAX_STEP, _MAX_STEP)
    a, b = ((image - np.average(image, weights=hann)).ravel() * weight for image in (fixed, moved))
    if not (a * b).sum() > _MIN_CORRELATION * np.linalg.norm(a) * np.linalg.norm(b):
        raise InputError("values: expected images that show the same, got ones that match nowhere")
    return Shift(shift, _jackknife(rows, values, fixed.shape, gain))


def find_period(image: np.ndarray) -> np.ndarray | None:
    """The shortest move in pixels along y and x by which an image without tilt nearly becomes itself: its
    correlation with the moved image, where both overlap, has a peak of 0.7 or more there, beside the one
    around 0. ``None`` for an image that is not periodic.

    Shapes:
        image ``[Y, X]``; result ``[2]``.
    """
    smooth = ndimage.gaussian_filter(image, _SMOOTHING)
    r = _correlations(smooth, smooth)
    around, _ = ndimage.label(r > _LEFT)
    elsewhere = around != around[image.shape]
    peaks = np.argwhere((ndimage.maximum_filter(r, 3) == r) & elsewhere & (r >= _PERIODIC)) - image.shape
    if not len(peaks):
        return None
    shortest = peaks[np.argmin((peaks**2).sum(axis=1))]
    return measure_shift(image, image, shortest.astype(float)).pixels


def move_image(image: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """An image moved back by a shift in pixels along y and x, with cubic splines; its outermost pixels are
    repeated where nothing was measured."""
    return ndimage.shift(image, -shift, order=3, mode="nearest") if shift.any() else image


def _correlations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson's r of two images where they overlap, for each whole move of ``a`` against ``b``, the middle of
    the result for none; -1 where they overlap too little."""
    shape, padded = a.shape, [2 * n for n in a.shape]
    one = fft.rfft2(np.ones(shape), padded)
    a, b = a - a.mean(), b - b.mean()
    first, second, first_square, second_square = (fft.rfft2(part, padded) for part in (a, b, a**2, b**2))

    def correlate(f: np.ndarray, g: np.ndarray) -> np.ndarray:
        return np.asarray(fft.irfft2(f * g.conj(), padded))

    # Sums over the overlap of both.
    overlap = np.maximum(correlate(one, one), 1.0)
    sums = correlate(first, one), correlate(one, second)
    squares = (
        correlate(first_square, one) - sums[0] ** 2 / overlap,
        correlate(one, second_square) - sums[1] ** 2 / overlap,
    )
    power = squares[0] * squares[1]
    power = np.maximum(power, 1e-12 * np.abs(power).max() + np.finfo(float).tiny)
    r = fft.fftshift((correlate(first, second) - sums[0] * sums[1] / overlap) / np.sqrt(power))
    r[fft.fftshift(overlap) < _OVERLAP * a.size] = -1
    return np.asarray(r)


def _nearest_peak(fixed: np.ndarray, moving: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The peak of the correlation that is nearest to ``start``."""
    r = _correlations(moving, fixed)
    peaks = np.argwhere((ndimage.maximum_filter(r, 3) == r) & (r > _MIN_CORRELATION)) - fixed.shape
    return peaks[np.argmin(((peaks - start) ** 2).sum(axis=1))].astype(float) if len(peaks) else start


def _whole_pixels(fixed: np.ndarray, moving: np.ndarray, hann: np.ndarray) -> np.ndarray:
    spectra = [fft.fft2((image - np.average(image, weights=hann)) * hann) for image in (moving, fixed)]
    peak = np.unravel_index(np.argmax(fft.ifft2(spectra[0] * spectra[1].conj()).real), fixed.shape)
    return np.array([p - n if p > n // 2 else p for p, n in zip(peak, fixed.shape, strict=True)], dtype=float)


def _move(spline: np.ndarray, shift: np.ndarray) -> np.ndarray:
    return ndimage.shift(spline, -shift, order=3, mode="mirror", prefilter=False)


def _measured(shape: tuple[int, ...], shift: np.ndarray) -> np.ndarray:
    """Where the moved image was measured."""
    inside = [
        (np.arange(n) + s >= -1e-3) & (np.arange(n) + s <= n - 1 + 1e-3)
        for n, s in zip(shape, shift, strict=True)
    ]
    return np.outer(*inside)


def _jackknife(rows: np.ndarray, values: np.ndarray, shape: tuple[int, ...], gain: float) -> float:
    counts = [min(max(n // _BLOCK, 2), _BLOCKS) for n in shape]
    y, x = (np.arange(n) * count // n for n, count in zip(shape, counts, strict=True))
    labels = (y[:, None] * counts[1] + x).ravel()
    normal, right = rows.T @ rows, rows.T @ values
    found = []
    for block in range(counts[0] * counts[1]):
        part, some = rows[labels == block], values[labels == block]
        left = np.linalg.lstsq(normal - part.T @ part, right - part.T @ some, rcond=None)[0]
        found.append(left[-2:] / gain)
    spread = np.array(found) - np.mean(found, axis=0)
    return max(float(np.sqrt((1 - 1 / len(found)) * (spread**2).sum() / 2)), _MIN_ERROR)
