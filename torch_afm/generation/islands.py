"""Find the islands of a scan that show atoms, and isolate each."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from torch_afm.utils import check_shape

#: Å: width of the Gaussians that curvature is taken at, and smoothed with; at the edge it is not known.
_WIDTH, _EDGE = 0.5, 1.0

#: Something is there from this multiple of the weakest curvature (its 5th percentile: noise) and this share
#: of the strongest (what 1.5 Å² exceed) on: halogens curve images six times as much as carbon does.
_NOISE, _SHARE, _STRONG = 2.0, 0.1, 1.5

#: Least size of an island in Å and Å²; islands nearer than this many Å are one.
_MIN_SIDE, _MIN_AREA, _NEAR = 1.5, 4.0, 2.0

#: Å around an island that are kept; over which the image then fades; and between two islands.
_KEPT, _FADE, _BETWEEN = 1.0, 2.5, 1.5


def find_islands(stack: np.ndarray, pitch: float) -> list[np.ndarray]:
    """Regions in which the nearer half of the slices is curved: what atoms do to images, and the broad
    attraction around a molecule, tilt and offset do not.

    The absolute Laplacian of each slice, blurred by 0.5 Å and normalised by the slice's standard deviation,
    is averaged over the slices and smoothed by 0.5 Å. Regions of more than twice its 5th percentile, plus
    10 % of what the strongest 1.5 Å² exceed that, holes filled, are islands, unless they are smaller than
    4 Å² or narrower than 1.5 Å; those nearer to each other than 2 Å are one.

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
    edge = round(_EDGE / pitch)
    if not len(near) or min(near.shape[1:]) <= 2 * edge:
        return []
    curved = np.mean([np.abs(ndimage.gaussian_laplace(s, _WIDTH / pitch)) for s in near], axis=0)
    curved = ndimage.gaussian_filter(curved, _WIDTH / pitch)
    curved = np.pad(curved[edge:-edge, edge:-edge], edge, mode="edge")
    noise = np.percentile(curved, 5)
    strong = np.sort(curved, axis=None)[-max(1, round(_STRONG / pitch**2))]
    there = ndimage.binary_fill_holes(curved > _NOISE * noise + _SHARE * (strong - noise))
    pieces = np.zeros_like(there)
    labels, _ = ndimage.label(there, structure=np.ones((3, 3)))
    for i, sides in enumerate(ndimage.find_objects(labels), start=1):
        mask = labels == i
        narrow = min(side.stop - side.start for side in sides) * pitch < _MIN_SIDE
        if not narrow and mask.sum() * pitch**2 >= _MIN_AREA:
            pieces |= mask
    if not pieces.any():
        return []
    reached = ndimage.distance_transform_edt(~pieces) * pitch < _NEAR / 2
    labels, count = ndimage.label(reached, structure=np.ones((3, 3)))
    return [pieces & (labels == i) for i in range(1, count + 1)]


def isolate(stack: np.ndarray, islands: list[np.ndarray], index: int, pitch: float) -> np.ndarray:
    """The stack with one of several islands only: what lies more than 1 Å around it, or nearer to another
    island, fades into the background, the median of each slice far from all islands (of its edge where
    nothing is). A single island is left as it is.

    Args:
        stack: the slices.
        islands: masks of all islands.
        index: which one is kept.
        pitch: size of a pixel in Å.

    Shapes:
        stack ``[Z, Y, X]``, islands ``[Y, X]`` each; result as the stack.
    """
    if len(islands) == 1:
        return stack
    away = np.stack([ndimage.distance_transform_edt(~mask) * pitch for mask in islands])
    free = away.min(axis=0) > _KEPT + _FADE
    if not free.any():
        free[[0, -1]] = True
        free[:, [0, -1]] = True
    background = np.median(stack[:, free], axis=1)[:, None, None]
    inner, others = away[index], np.delete(away, index, axis=0).min(axis=0)
    weight = (1 + np.cos(np.pi * np.clip((inner - _KEPT) / _FADE, 0, 1))) / 2
    weight *= np.clip(0.5 + (others - inner) / _BETWEEN, 0, 1)
    return background + weight * (stack - background)


def mask_box(mask: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last row, first and last column of an island."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return (int(rows[0]), int(rows[-1])), (int(columns[0]), int(columns[-1]))
