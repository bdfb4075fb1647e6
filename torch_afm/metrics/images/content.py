"""What a translated stack keeps of its source."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

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
        ``ssim``: mean structural similarity (Wang et al., IEEE Trans. Image Process. 13, 600 (2004)), by
        torchmetrics, with the range of the source as dynamic range;
        ``adjacent`` and ``adjacent_source``: mean correlation of neighbouring slices of a stack, in the
        translation and in the source (``None`` for single slices): a translation slice by slice lowers it.

    Shapes:
        both ``[N, Z, Y, X]`` or ``[N, C, Z, Y, X]``, Y and X of at least 11 pixels.

    Raises:
        InputError: for other or different shapes, a NaN, a flat source, or where torchmetrics is not
            installed.
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
    try:
        # Not at the top: an optional dependency, slow to import.
        from torchmetrics.functional.image import structural_similarity_index_measure
    except ImportError:
        raise InputError("torchmetrics: expected it to be installed; pip install 'torch_afm[eval]'") from None
    ssim = structural_similarity_index_measure(images, sources, data_range=span, kernel_size=_WINDOW)
    with_source = _correlation(images, sources)
    return {
        "correlation": float(with_source.mean()),
        "correlation_median": float(with_source.median()),
        "lost": float((with_source < _LOST).double().mean()),
        "ssim": float(torch.as_tensor(ssim)),
        "adjacent": _adjacent(images, shapes[0][-3]),
        "adjacent_source": _adjacent(sources, shapes[0][-3]),
    }


def _adjacent(images: Tensor, depth: int) -> float | None:
    stacks = images.reshape(-1, depth, *images.shape[2:])
    return float(_correlation(stacks[:, 1:], stacks[:, :-1]).mean()) if depth > 1 else None


def _correlation(x: Tensor, y: Tensor) -> Tensor:
    x, y = (v.double().flatten(-2) - v.double().mean(dim=(-2, -1))[..., None] for v in (x, y))
    norm = x.norm(dim=-1) * y.norm(dim=-1)
    return torch.where(norm > 0, (x * y).sum(dim=-1) / norm.clamp_min(1e-300), 0.0)
