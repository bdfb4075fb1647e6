"""Drift between slices taken out."""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from torch_afm.io.scans.crop import crop_pixels
from torch_afm.io.scans.flatten_plane import flatten_plane
from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.utils import InputError, check_finite

#: Standard deviation in pixels of the Gaussian that noise is smoothed by before slices are compared.
_SMOOTHING = 1.0

#: Rounds of estimating what is left, at most; where they end, and the largest step of one, in pixels.
_ROUNDS, _END, _LARGEST = 50, 1e-3, 1.0

#: Correlation of two slices at their best, at least: noise of 32 x 32 pixels comes to about 0.35.
_CORRELATION = 0.5

#: Pixels that an aligned stack must keep along x and y.
_LEAST = 8


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
    if min(ny, nx) < _LEAST:
        raise InputError(f"values: expected at least {_LEAST} x {_LEAST} pixels to align, got {nx} x {ny}")
    flat = flatten_plane(stack).values
    shifts = np.zeros((n_slices, 2))
    for i in range(n_slices - 2, -1, -1):
        shifts[i] = shifts[i + 1] + _drift(flat[i + 1], flat[i])
    before = np.ceil(np.maximum(-shifts, 0).max(axis=0)).astype(int)
    after = np.ceil(np.maximum(shifts, 0).max(axis=0)).astype(int)
    left = np.array([ny, nx]) - before - after
    if left.min() < _LEAST:
        raise InputError(
            f"values: expected slices that share {_LEAST} x {_LEAST} pixels, got drifts up to "
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
        drift = drift + np.clip(step, -_LARGEST, _LARGEST)
    a, b = ((image - np.average(image, weights=hann)) * weight for image in (fixed, moved))
    if not (a * b).sum() > _CORRELATION * np.linalg.norm(a) * np.linalg.norm(b):
        raise InputError(
            "values: expected neighbouring slices that show the same, got ones that match nowhere"
        )
    return drift


def _move(image: np.ndarray, drift: np.ndarray, order: int = 3, mode: str = "nearest") -> np.ndarray:
    return ndimage.shift(image, -drift, order=order, mode=mode) if drift.any() else image
