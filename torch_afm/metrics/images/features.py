"""Feature vectors of images, by whatever computes them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from torch_afm.utils import InputError, check_finite

#: Images ``[N, C, Y, X]`` to features ``[N, F]``: a function, or a module, of ours or any other network.
Extractor = Callable[[Tensor], Tensor]


def as_images(name: str, stacks: np.ndarray | Tensor, slices: bool) -> Tensor:
    """Stacks as images: each slice one of its own, or each stack one with its slices as channels.

    Args:
        name: what messages call them.
        stacks: floats, in any unit.
        slices: take slices apart.

    Shapes:
        stacks ``[N, Z, Y, X]`` or ``[N, C, Z, Y, X]``; returns ``[N C Z, 1, Y, X]`` with ``slices``, else
        ``[N, C Z, Y, X]``, in float32.

    Raises:
        InputError: for other shapes, no stacks, no floats, a NaN or an infinity.
    """
    images = torch.as_tensor(stacks)
    if images.dim() not in (4, 5) or images.numel() == 0:
        shape = list(images.shape)
        raise InputError(f"{name}: expected stacks [N, Z, Y, X] or [N, C, Z, Y, X], N > 0, got {shape}")
    if not images.is_floating_point():
        raise InputError(f"{name}: expected floats, got {images.dtype}")
    check_finite(name, images)
    size = images.shape[-2:]
    return images.float().reshape(-1, 1, *size) if slices else images.float().reshape(len(images), -1, *size)


@torch.no_grad()
def image_features(
    stacks: np.ndarray | Tensor, extractor: Extractor, slices: bool = True, batch_size: int = 64
) -> np.ndarray:
    """Features of every slice, or of every stack.

    Args:
        stacks: floats, as the extractor wants them (unit, range, height order).
        extractor: say :func:`torch_afm.metrics.images.physical_features`, a
            :class:`torch_afm.metrics.images.RandomConvolutions`, or the image encoder of a trained model: of
            a ``SequentialGenerator`` in evaluation mode, for whole stacks of its grid,
            ``lambda x: model.reference_encoder.trunk(x[:, None])[-1].mean(dim=(2, 3))``. A module is put in
            evaluation mode for the while.
        slices: give it slices ``[N, 1, Y, X]``; else whole stacks ``[N, C Z, Y, X]``.
        batch_size: images given to it at once.

    Shapes:
        stacks ``[N, Z, Y, X]`` or ``[N, C, Z, Y, X]``, returns ``[N C Z, F]`` or ``[N, F]``, float64.

    Raises:
        InputError: for stacks of other shapes, a NaN, or an extractor that does not give finite ``[N, F]``.
    """
    if batch_size < 1:
        raise InputError(f"batch_size: expected 1 or more, got {batch_size}")
    images = as_images("stacks", stacks, slices)
    training = isinstance(extractor, nn.Module) and extractor.training
    if isinstance(extractor, nn.Module):
        extractor.eval()
    try:
        found = [extractor(images[i : i + batch_size]) for i in range(0, len(images), batch_size)]
    finally:
        if isinstance(extractor, nn.Module):
            extractor.train(training)
    for part, features in zip(images.split(batch_size), found, strict=True):
        if not torch.is_tensor(features) or features.dim() != 2 or len(features) != len(part):
            got = list(features.shape) if torch.is_tensor(features) else type(features).__name__
            raise InputError(f"extractor: expected features [{len(part)}, F] of as many images, got {got}")
    values = torch.cat(found).double().cpu().numpy()
    check_finite("extractor's features", values)
    return values
