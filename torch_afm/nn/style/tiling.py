"""Images in pieces: overlapping tiles, and slices with their neighbors."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from torch_afm.nn.style.networks import MIN_SIDE
from torch_afm.utils import InputError

#: Sides that the network takes are multiples of this.
_STEP = 4


def slice_windows(stack: Tensor, context: int) -> Tensor:
    """Every slice as an image of its own, whose channels are the slice and ``context`` neighbors on either
    side (the slices at the ends repeat): what makes translation know of the third dimension.

    Shapes:
        stack ``[B, Z, Y, X]``, returns ``[B Z, 2 context + 1, Y, X]``.

    Raises:
        InputError: for another shape.
    """
    if stack.ndim != 4 or context < 0:
        raise InputError(
            f"stack, context: expected [B, Z, Y, X] and at least 0, got {list(stack.shape)}, {context}"
        )
    depth = stack.size(1)
    steps = torch.arange(-context, context + 1, device=stack.device)
    near = (torch.arange(depth, device=stack.device)[:, None] + steps).clamp(0, depth - 1)
    return stack[:, near].flatten(0, 1)


def translate_tiled(
    network: Callable[[Tensor], Tensor], images: Tensor, tile: int = 192, overlap: int = 48
) -> Tensor:
    """``network`` on images of any size: on overlapping tiles, faded into each other by weights that rise
    linearly from a tile's edge; images that are no larger than a tile go whole, with sides filled up to
    multiples of 4 by reflection. A network that changes nothing gives the very numbers back.

    Args:
        network: of images whose sides are multiples of 4, at least 8.
        images: any images.
        tile: side of a tile in pixels, a multiple of 4. Instance norms see a tile at a time, so it should be
            about as large as the images that the network was trained on.
        overlap: pixels that neighboring tiles share at least.

    Shapes:
        images ``[N, C, Y, X]``, returns ``[N, C', Y, X]``.

    Raises:
        InputError: for images of another shape or below 8 pixels, a tile that is none, and an overlap that is
            not below half of it.
    """
    if tile % _STEP or tile < MIN_SIDE:
        raise InputError(f"tile: expected a multiple of {_STEP}, at least {MIN_SIDE}, got {tile}")
    if not 0 <= overlap <= tile // 2:
        raise InputError(f"overlap: expected 0 to {tile // 2} (half a tile), got {overlap}")
    if images.ndim != 4 or min(images.shape[2:]) < MIN_SIDE:
        raise InputError(
            f"images: expected [N, C, Y, X] with sides of at least {MIN_SIDE}, got {list(images.shape)}"
        )
    height, width = images.shape[2:]
    fill = [-side % _STEP if side < tile else 0 for side in (width, height)]
    padded = F.pad(images, (0, fill[0], 0, fill[1]), mode="reflect")
    (ny, tops), (nx, lefts) = (_tiles(side, tile, overlap) for side in padded.shape[2:])
    if len(tops) * len(lefts) == 1:
        return network(padded)[..., :height, :width]
    weight = (_ramp(ny, overlap)[:, None] * _ramp(nx, overlap)).to(images)
    total = weight.new_zeros(padded.shape[2:])
    out = padded.new_empty(0)
    for top in tops:
        for left in lefts:
            window = (..., slice(top, top + ny), slice(left, left + nx))
            new = network(padded[window])
            if not out.numel():
                out = new.new_zeros(len(images), new.size(1), *padded.shape[2:])
            total[window] += weight
            # A running mean rather than sums: equal tiles then give exactly what they agree on.
            out[window] += (new - out[window]) * (weight / total[window])
    return out[..., :height, :width]


def _tiles(side: int, tile: int, overlap: int) -> tuple[int, list[int]]:
    """Side of the tiles along an image's side, and where they begin: the fewest, evenly spread."""
    if side <= tile:
        return side, [0]
    gaps = -(-(side - tile) // (tile - overlap))
    return tile, [round(i * (side - tile) / gaps) for i in range(gaps + 1)]


def _ramp(side: int, overlap: int) -> Tensor:
    edge = torch.arange(side, dtype=torch.float64) + 1
    return torch.minimum(edge, edge.flip(0)).clamp(max=overlap + 1) / (overlap + 1)
