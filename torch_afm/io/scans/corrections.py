"""Tilt, offsets of lines and drift between slices, taken out of a stack."""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from torch_afm.io.scans.crop import crop_pixels
from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.utils import InputError, check_finite

#: Neighboring cosines whose power is averaged, and the lines below which there are too few of them.
_NEIGHBORS, _MIN_LINES = 7, 16

#: Median of the square of a normal deviate.
_MEDIAN_CHI2 = 0.4549

#: Standard deviation in pixels of the Gaussian that noise is smoothed by before slices are compared.
_SMOOTHING = 1.0

#: Rounds of estimating what is left, at most; where they end, and the largest step of one, in pixels.
_ROUNDS, _END, _MAX_STEP = 50, 1e-3, 1.0

#: Correlation of two slices at their best, at least: noise of 32 x 32 pixels comes to about 0.35.
_MIN_CORRELATION = 0.5

#: Pixels that an aligned stack must keep along x and y.
_MIN_PIXELS = 8


def flatten_plane(stack: ScanStack) -> ScanStack:
    """Subtract from each slice the plane that fits it best in least squares, but for its mean, which is kept:
    Δf falls from slice to slice for a reason.

    Raises:
        InputError: for NaN in the stack.
    """
    check_finite("values", stack.values)
    n_slices, ny, nx = stack.values.shape
    y, x = np.meshgrid(np.linspace(-1, 1, ny), np.linspace(-1, 1, nx), indexing="ij")
    # Over a full rectangle the two slopes and the mean are orthogonal; a slope along one pixel is zero.
    slopes = np.stack([x.ravel() if nx > 1 else 0 * x.ravel(), y.ravel() if ny > 1 else 0 * y.ravel()])
    flat = stack.values.reshape(n_slices, -1)
    fit = flat @ slopes.T / np.maximum((slopes**2).sum(axis=1), np.finfo(float).tiny)
    return stack.replace(values=(flat - fit @ slopes).reshape(stack.values.shape))


def flatten_lines(stack: ScanStack) -> ScanStack:
    """Subtract from each line along x, the fast axis, the offset that it has against its neighbors. The mean
    of each slice is kept.

    What the tip shows of a molecule changes over several lines, offsets from each line to the next. So they
    are told from each other by a Wiener filter: of the discrete cosine transform ``R_k`` of the means of the
    lines, the share ``s² / S_k`` is taken out, where ``S_k`` is the power ``R_k²`` averaged over neighboring
    ``k``, at least ``s²``, and ``s²`` that of white noise, by the median over the upper half of ``k``, where
    molecules have none. A stack without offsets stays as it is; slow drift from line to line and steps that
    last are left in it, and so are stacks of fewer than 16 lines.

    Raises:
        InputError: for NaN in the stack.
    """
    check_finite("values", stack.values)
    n = stack.values.shape[1]
    if n < _MIN_LINES:
        return stack
    means = fft.dct(stack.values.mean(axis=2), norm="ortho", axis=1)
    noise = np.median(means[:, n // 2 :] ** 2, axis=1, keepdims=True) / _MEDIAN_CHI2
    power = np.maximum(ndimage.uniform_filter1d(means[:, 1:] ** 2, _NEIGHBORS, axis=1), noise)
    share = np.divide(noise, power, out=np.zeros_like(power), where=power > 0)
    means[:, 0] = 0
    means[:, 1:] *= share
    return stack.replace(values=stack.values - fft.idct(means, norm="ortho", axis=1)[:, :, None])


def align_slices(stack: ScanStack) -> tuple[ScanStack, np.ndarray]:
    """Shift each slice onto the next nearer one, the nearest stays where it is, and crop to what all slices
    show.

    A shift is first the maximum of the cross-correlation of the two slices, without their tilt and under a
    Hann window, on whole pixels, by Fourier transforms. Below a pixel it is the one at which the moved slice
    is, in least squares, the fixed one times a gain plus an offset, found by Gauss-Newton steps with cubic
    splines (Lucas and Kanade, IJCAI 1981, 674): contrast may differ between slices, and nothing pulls the
    shift towards whole pixels or zero.

    Args:
        stack: at least 8 x 8 pixels.

    Returns:
        The aligned stack, and how far each slice had drifted in pixels, along y and x.

    Shapes:
        shifts ``[Z, 2]``.

    Raises:
        InputError: for NaN in the stack, too few pixels, and slices that hardly overlap or have nothing in
            common (a correlation below 0.5).
    """
    check_finite("values", stack.values)
    n_slices, ny, nx = stack.values.shape
    if min(ny, nx) < _MIN_PIXELS:
        raise InputError(
            f"values: expected at least {_MIN_PIXELS} x {_MIN_PIXELS} pixels to align, got {nx} x {ny}"
        )
    flat = flatten_plane(stack).values
    shifts = np.zeros((n_slices, 2))
    for i in range(n_slices - 2, -1, -1):
        shifts[i] = shifts[i + 1] + _drift(flat[i + 1], flat[i])
    before = np.ceil(np.maximum(-shifts, 0).max(axis=0)).astype(int)
    after = np.ceil(np.maximum(shifts, 0).max(axis=0)).astype(int)
    left = np.array([ny, nx]) - before - after
    if left.min() < _MIN_PIXELS:
        raise InputError(
            f"values: expected slices that share {_MIN_PIXELS} x {_MIN_PIXELS} pixels, got drifts up to "
            f"{np.abs(shifts).max():.1f} pixels of {nx} x {ny}"
        )
    moved = np.stack([_move(image, shift) for image, shift in zip(stack.values, shifts, strict=True)])
    rows, columns = (slice(b, b + n) for b, n in zip(before, left, strict=True))
    meta = stack.meta | {"drift_pixels": shifts.tolist()}
    return crop_pixels(stack.replace(values=moved, meta=meta), columns, rows), shifts


def _drift(fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """How far ``moving`` lies from ``fixed``, in pixels along y and x."""
    fixed, moving = (ndimage.gaussian_filter(image, _SMOOTHING) for image in (fixed, moving))
    hann = np.outer(*(np.hanning(n + 2)[1:-1] for n in fixed.shape))
    spectra = [fft.fft2((image - np.average(image, weights=hann)) * hann) for image in (moving, fixed)]
    peak = np.unravel_index(np.argmax(fft.ifft2(spectra[0] * spectra[1].conj()).real), fixed.shape)
    drift = np.array(
        [p - n if p > n // 2 else p for p, n in zip(peak, fixed.shape, strict=True)], dtype=float
    )
    terms = np.stack([fixed, np.ones_like(fixed), *(-slope for slope in np.gradient(fixed))], axis=2)
    for _ in range(_ROUNDS):
        moved = _move(moving, drift)
        # Only where the moved slice was measured.
        weight = hann * (_move(np.ones_like(moving), drift, order=1, mode="constant") > 0.999)
        gain, _, *slopes = np.linalg.lstsq(
            (terms * weight[..., None]).reshape(-1, 4), (moved * weight).ravel(), rcond=None
        )[0]
        step = np.array(slopes) / gain if gain > 0 else np.zeros(2)
        if np.abs(step).max() < _END or np.abs(drift).max() > max(fixed.shape):
            break
        drift = drift + np.clip(step, -_MAX_STEP, _MAX_STEP)
    a, b = ((image - np.average(image, weights=hann)) * weight for image in (fixed, moved))
    if not (a * b).sum() > _MIN_CORRELATION * np.linalg.norm(a) * np.linalg.norm(b):
        raise InputError(
            "values: expected neighboring slices that show the same, got ones that match nowhere"
        )
    return drift


def _move(image: np.ndarray, drift: np.ndarray, order: int = 3, mode: str = "nearest") -> np.ndarray:
    return ndimage.shift(image, -drift, order=order, mode=mode) if drift.any() else image
