"""Where in a scan something is to be seen, and each of these places alone."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from torch_afm.utils import check_shape

#: Å: width of the Gaussians that curvature is taken at, and smoothed with.
_WIDTH = 0.5

#: Share of the strongest curvature from which on something is there, and least size of it in Å and Å².
_SHARE, _LEAST_SIDE, _LEAST_AREA = 0.25, 1.5, 4.0

#: Å around an island that its window has to hold; that are kept, for lower atoms curve images less and may
#: lie there; over which the image then fades; and between two islands.
_MARGIN, _KEPT, _FADE, _BETWEEN = 1.0, 3.0, 2.5, 1.5


def find_islands(stack: np.ndarray, pitch: float) -> list[np.ndarray]:
    """Connected regions in which the nearer half of the slices is curved: what atoms do to images, and the
    broad attraction around a molecule, tilt and offset do not.

    The absolute Laplacian of each slice, blurred by 0.5 Å and normalised by the slice's standard deviation,
    is averaged over the slices and smoothed by 0.5 Å; regions of more than a quarter of its 99.5th percentile
    above its median, holes filled, are islands, unless they are smaller than 4 Å² or narrower than 1.5 Å.

    Args:
        stack: the slices, far to near.
        pitch: size of a pixel in Å.

    Returns:
        a mask ``[Y, X]`` each, from the lower left on.

    Shapes:
        stack ``[Z, Y, X]``.
    """
    check_shape("stack", stack, (None, None, None))
    near = np.asarray(stack, dtype=np.float64)[len(stack) // 2 :]
    spread = near.std(axis=(1, 2))
    near = near[spread > 0] / spread[spread > 0, None, None]
    if not len(near):
        return []
    curved = np.mean([np.abs(ndimage.gaussian_laplace(s, _WIDTH / pitch)) for s in near], axis=0)
    curved = ndimage.gaussian_filter(curved, _WIDTH / pitch)
    level = np.median(curved)
    there = curved > level + _SHARE * (np.percentile(curved, 99.5) - level)
    labels, _ = ndimage.label(ndimage.binary_fill_holes(there), structure=np.ones((3, 3)))
    found = []
    for i, box in enumerate(ndimage.find_objects(labels), start=1):
        sides = [(s.stop - s.start) * pitch for s in box]
        mask = labels == i
        if min(sides) >= _LEAST_SIDE and mask.sum() * pitch**2 >= _LEAST_AREA:
            found.append(mask)
    return found


def alone(stack: np.ndarray, islands: list[np.ndarray], index: int, pitch: float) -> np.ndarray:
    """The stack with one island only: what lies more than 3 Å around it, or nearer to another island, fades
    into the background, the median of each slice far from all islands (of its edge where nothing is).

    Args:
        stack: the slices.
        islands: masks of all islands.
        index: which one is kept.
        pitch: size of a pixel in Å.

    Shapes:
        stack ``[Z, Y, X]``, islands ``[Y, X]`` each; result as the stack.
    """
    away = np.stack([ndimage.distance_transform_edt(~mask) * pitch for mask in islands])
    free = away.min(axis=0) > _KEPT + _FADE
    if not free.any():
        free[[0, -1]] = True
        free[:, [0, -1]] = True
    background = np.median(stack[:, free], axis=1)[:, None, None]
    own = away[index]
    weight = (1 + np.cos(np.pi * np.clip((own - _KEPT) / _FADE, 0, 1))) / 2
    if len(islands) > 1:
        others = np.delete(away, index, axis=0).min(axis=0)
        weight *= np.clip(0.5 + (others - own) / _BETWEEN, 0, 1)
    return background + weight * (stack - background)


def box(mask: np.ndarray, pitch: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last row, first and last column of an island and 1 Å around it."""
    grow = round(_MARGIN / pitch)
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return (int(rows[0]) - grow, int(rows[-1]) + grow), (int(columns[0]) - grow, int(columns[-1]) + grow)
