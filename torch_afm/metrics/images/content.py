"""What a translated stack keeps of its source."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from torch_afm.functional import pearson
from torch_afm.metrics.agreement import ssim
from torch_afm.metrics.images.features import as_images
from torch_afm.utils import InputError

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
        ``adjacent`` and ``adjacent_source``: mean correlation of neighbouring slices of a stack, in the
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
    similarity = ssim(*(v[:, 0].double().numpy() for v in (images, sources)), span)
    return {
        "correlation": float(with_source.mean()),
        "correlation_median": float(with_source.median()),
        "lost": float((with_source < _LOST).double().mean()),
        "ssim": float(similarity.mean()),
        "adjacent": _adjacent(images, shapes[0][-3]),
        "adjacent_source": _adjacent(sources, shapes[0][-3]),
    }


def _adjacent(images: Tensor, depth: int) -> float | None:
    stacks = images.reshape(-1, depth, *images.shape[2:])
    return float(pearson(stacks[:, 1:], stacks[:, :-1]).mean()) if depth > 1 else None
