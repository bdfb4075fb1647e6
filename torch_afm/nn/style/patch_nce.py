"""Contrast between patches of an image and of its translation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Linear, Module, ModuleList, ReLU, Sequential
from torch.nn.functional import cross_entropy, normalize

from torch_afm.nn.style.networks import initialize
from torch_afm.utils import InputError


def patch_nce(queries: Tensor, keys: Tensor, temperature: float = 0.07) -> Tensor:
    r"""PatchNCE loss (Park et al., arXiv:2007.15651, equations 2 and 3): each patch of a translation should
    resemble the patch of the source at its place more than other patches of that source,

    .. math::
        -\frac{1}{S} \sum_s \log \frac{\exp(q_s \cdot k_s / \tau)}{\sum_t \exp(q_s \cdot k_t / \tau)},

    with :math:`q` and :math:`k` scaled to length 1, averaged over images.

    Args:
        queries: features of the patches of translations.
        keys: those of the sources at the same places.
        temperature: τ.

    Shapes:
        both ``[B, S, D]``, result ``[]``.

    Raises:
        InputError: for other shapes.
    """
    if queries.ndim != 3 or queries.shape != keys.shape:
        raise InputError(
            f"queries, keys: expected [B, S, D] twice, got {list(queries.shape)}, {list(keys.shape)}"
        )
    count, patches, _ = queries.shape
    similarity = normalize(queries, dim=2) @ normalize(keys, dim=2).mT / temperature
    own = torch.arange(patches, device=queries.device).repeat(count)
    return cross_entropy(similarity.flatten(0, 1), own)


class PatchProjector(Module):
    """Features of patches in which they are compared: for each of several layers of a generator a perceptron
    of two layers (arXiv:2007.15651, appendix C.1).

    Args:
        channels: of the layers.
        width: of the features.
    """

    def __init__(self, channels: Sequence[int], width: int = 256) -> None:
        super().__init__()
        self.heads = ModuleList(
            Sequential(Linear(size, width), ReLU(), Linear(width, width)) for size in channels
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights from N(0, 0.02²), biases zero, as for the generator."""
        initialize(self)

    def forward(self, layers: Sequence[Tensor], places: Sequence[Tensor]) -> list[Tensor]:
        """Features of the layers ``[B, C, Y, X]`` at flat places ``[S]`` of each, ``[B, S, width]``."""
        picked = [layer.flatten(2)[:, :, at].mT for layer, at in zip(layers, places, strict=True)]
        return [head(one) for head, one in zip(self.heads, picked, strict=True)]

    def __repr__(self) -> str:
        sizes = [head.get_submodule("0").get_parameter("weight").size(1) for head in self.heads]
        return f"{type(self).__name__}({sizes})"
