"""A pool of earlier translations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from torch_afm.utils import InputError


class ImagePool:
    """Keeps some of the latest translations, so that a discriminator does not only know the generator of the
    moment (Shrivastava et al., arXiv:1612.07828, section 2.3): until it is full, every translation is kept
    and returned; after that each, with probability 1/2, is returned itself, or changes places with one of
    those kept.

    Args:
        size: translations kept; 0 returns every one itself.
        seed: seed of the draws.
    """

    def __init__(self, size: int = 50, seed: int = 0) -> None:
        if size < 0:
            raise InputError(f"size: expected at least 0, got {size}")
        self.size = size
        self.images: list[Tensor] = []
        self.rng = torch.Generator().manual_seed(seed)

    def query(self, images: Tensor) -> Tensor:
        """As many translations as ``images``, new or old ones, detached.

        Shapes:
            images ``[B, ...]``, result the same.
        """
        return torch.stack([self._one(image) for image in images.detach()])

    def _one(self, image: Tensor) -> Tensor:
        if len(self.images) < self.size:
            self.images.append(image.clone())
            return image
        if not self.size or torch.rand((), generator=self.rng) < 0.5:
            return image
        place = int(torch.randint(self.size, (), generator=self.rng))
        old, self.images[place] = self.images[place], image.clone()
        return old.to(image.device)  # from a checkpoint it comes elsewhere

    def state_dict(self) -> dict[str, Any]:
        """What is kept, and where the draws stand."""
        return {"kept": [image.cpu() for image in self.images], "rng": self.rng.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.images = list(state["kept"])
        self.rng.set_state(state["rng"].cpu())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.size})"
