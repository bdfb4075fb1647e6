"""Drift between slices taken out."""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage

from torch_afm.io.scans.crop import crop_pixels
from torch_afm.io.scans.flatten_plane import flatten_plane
from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.utils import InputError, check_finite

#: Steps of the estimate in one pixel, and rounds of estimating what is left, at most.
_UPSAMPLING, _ROUNDS = 100, 30

#: Correlation of two slices at their best, at least: noise of 32 x 32 pixels comes to 0.12.
_CORRELATION = 0.25

#: Pixels that an aligned stack must keep along x and y.
_LEAST = 8


def align_slices(stack: ScanStack) -> tuple[ScanStack, np.ndarray]:
    """Shift each slice onto the next nearer one, the nearest stays where it is, and crop to what all slices
    show.

    A shift is the maximum of the cross-correlation of the two slices, without their tilt and under a Hann
    window, first on whole pixels, then by an upsampled Fourier transform around it (Guizar-Sicairos et al.,
    Opt. Lett. 33, 156 (2008)). The window pulls the maximum to zero, so the slice is moved by cubic splines
    and the rest estimated again until none is left.

    Args:
        stack: at least 8 x 8 pixels.

    Returns:
        The aligned stack, and how far each slice had drifted in pixels, along y and x.

    Shapes:
        shifts ``[Z, 2]``.

    Raises:
        InputError: for NaN in the stack, too few pixels, and slices that hardly overlap or have nothing in
            common (a correlation below 0.25).
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
    window = np.outer(*(np.hanning(n + 2)[1:-1] for n in fixed.shape))
    reference = _windowed(fixed, window)
    spectrum = fft.fft2(reference).conj()
    drift = np.zeros(2)
    for _ in range(_ROUNDS):
        step = _maximum(fft.fft2(_windowed(_move(moving, drift), window)) * spectrum)
        drift += step
        if np.abs(step).max() < 1 / _UPSAMPLING or np.abs(drift).max() > max(fixed.shape):
            break
    found = _windowed(_move(moving, drift), window)
    norm = np.linalg.norm(found) * np.linalg.norm(reference)
    if not (found * reference).sum() > _CORRELATION * norm:
        raise InputError(
            "values: expected neighbouring slices that show the same, got ones that match nowhere"
        )
    return drift


def _windowed(image: np.ndarray, window: np.ndarray) -> np.ndarray:
    return (image - np.average(image, weights=window)) * window


def _move(image: np.ndarray, drift: np.ndarray) -> np.ndarray:
    return ndimage.shift(image, -drift, order=3, mode="nearest") if drift.any() else image


def _maximum(spectrum: np.ndarray) -> np.ndarray:
    """Where the inverse Fourier transform of ``spectrum`` is greatest, in pixels from -n/2 to n/2."""
    peak = np.unravel_index(np.argmax(fft.ifft2(spectrum).real), spectrum.shape)
    near, waves = [], []
    for at, n in zip(peak, spectrum.shape, strict=True):
        whole = at - n if at > n // 2 else at
        positions = whole + np.arange(-_UPSAMPLING, _UPSAMPLING + 1) / _UPSAMPLING
        near.append(positions)
        waves.append(np.exp(2j * np.pi * np.outer(positions, fft.fftfreq(n))))
    fine = (waves[0] @ spectrum @ waves[1].T).real
    row, column = np.unravel_index(np.argmax(fine), fine.shape)
    return np.array([near[0][row], near[1][column]])
