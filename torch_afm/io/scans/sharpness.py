"""Which end of a stack is near, by how sharp its slices are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from torch_afm.io.scans.corrections import flatten_plane
from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.utils import InputError, check_finite

#: Å and pixels, at least, of the Gaussian that noise is smoothed by.
_SMOOTHING, _MIN_SMOOTHING = 0.25, 1.0

#: Blocks along each axis that are left out in turn; pixels that a stack must have along each.
_BLOCKS, _MIN_PIXELS = 4, 8


@dataclass(frozen=True)
class Sharpness:
    """How the sharpness of a stack changes from its far to its near end.

    Args:
        change: of the sharpness, from -1, where the near end is a blur, to 1, where the far end is.
        error: its standard error.
    """

    change: float
    error: float

    @property
    def margin(self) -> float:
        """The change in standard errors; negative where the order of the slices seems to be the reverse."""
        return self.change / max(self.error, 1e-6)


def compare_sharpness(stack: ScanStack) -> Sharpness:
    r"""How much sharper the near third of a stack is than the far one, as far as noise allows to see.

    Of forces that fall off exponentially a wave of number :math:`k` across the surface falls off the faster
    the larger :math:`k` is, while noise stays. So, whatever the gray values of each slice were stretched to,
    the nearer two slices :math:`n_i, n_{i+1}`, the larger are the number of the waves that they share and the
    share of their details that is no noise, and with them

    .. math:: S_i = \sqrt{\frac{\sum \nabla^2 n_i \nabla^2 n_{i+1}}{\sum \nabla n_i \nabla n_{i+1}}} \;
        \frac{2 \sum \nabla^2 n_i \nabla^2 n_{i+1}}{\sum (\nabla^2 n_i)^2 + (\nabla^2 n_{i+1})^2} ,

    of slices without their plane, under a Hann window, smoothed by a Gaussian of 0.25 Å, one pixel at least.
    Noise, which is another in each slice, has no part in the products of neighbors. With the means :math:`N`
    and :math:`F` of :math:`S` over the near and the far third of the pairs, the change is
    :math:`(N - F) / (N + F)`; its standard error is the jackknife's over 16 blocks of the image.

    Args:
        stack: two slices or more, of 8 x 8 pixels or more; nothing was interpolated between them.

    Raises:
        InputError: for NaN in the stack, a single slice and too few pixels.
    """
    check_finite("values", stack.values)
    n, ny, nx = stack.values.shape
    if n < 2 or min(ny, nx) < _MIN_PIXELS:
        raise InputError(
            f"values: expected two slices or more of {_MIN_PIXELS} x {_MIN_PIXELS} pixels, got {n} of "
            f"{nx} x {ny}"
        )
    pixel = [p if p > 0 else 1.0 for p in stack.pixel_size[::-1]]
    wide = [max(_SMOOTHING / p, _MIN_SMOOTHING) for p in pixel]
    images = ndimage.gaussian_filter(flatten_plane(stack).values, (0, *wide))
    slopes = np.gradient(images, *pixel, axis=(1, 2))
    curved = sum(np.gradient(s, p, axis=k) for k, (s, p) in enumerate(zip(slopes, pixel, strict=True), 1))
    hann = np.sqrt(np.outer(*(np.hanning(m + 2)[1:-1] for m in (ny, nx))))
    y, x = (np.arange(m) * _BLOCKS // m for m in (ny, nx))
    blocks = np.eye(_BLOCKS**2)[(y[:, None] * _BLOCKS + x).ravel()]

    def by_block(products: np.ndarray) -> np.ndarray:
        return (products * hann).reshape(n - 1, -1) @ blocks

    sums = (
        by_block(curved[1:] * curved[:-1]),
        by_block(sum(s[1:] * s[:-1] for s in slopes)),
        by_block((curved[1:] ** 2 + curved[:-1] ** 2) / 2),
    )
    change = _change(*(part.sum(axis=1) for part in sums))
    left = np.array([_change(*(part.sum(axis=1) - part[:, k] for part in sums)) for k in range(_BLOCKS**2)])
    error = np.sqrt((1 - 1 / len(left)) * ((left - left.mean()) ** 2).sum())
    return Sharpness(change, float(error))


def _change(shared: np.ndarray, slopes: np.ndarray, details: np.ndarray) -> float:
    # Slices that share nothing are noise: no wave of theirs is seen.
    seen = (shared > 0) & (slopes > 0)
    sharp = np.zeros(len(shared))
    sharp[seen] = np.sqrt(shared[seen] / slopes[seen]) * shared[seen] / details[seen]
    third = max(len(sharp) // 3, 1)
    near, far = sharp[-third:].mean(), sharp[:third].mean()
    return float((near - far) / (near + far)) if near + far > 0 else 0.0
