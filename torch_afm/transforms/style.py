"""Style translation as an augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from torch_afm.functional import normalize_slices
from torch_afm.models import StyleTranslator
from torch_afm.transforms.base import Drawn, StackAugmentation, check_stacks
from torch_afm.utils import InputError


class StyleTranslation(StackAugmentation, recorded_as="StyleTranslate"):
    """With probability ``p`` translate normalized stacks into another style, by one of the translations, any
    with equal chance, and normalize them again. In an :class:`~torch_afm.transforms.Augment` it changes
    reference and simulated stacks alike; training sets whose reference stacks alone are translated are made
    by :func:`torch_afm.datasets.build_training_set`.

    Args:
        weights: folders of translations (:class:`~torch_afm.models.StyleTranslator`), say of several
            checkpoints or several experiments.
        p: probability that a stack is translated.

    Raises:
        InputError: for no folder, weights that cannot be read, such that scale by anything but the ``slice``
            (the unit of normalized stacks is no longer theirs), and what is no probability.
    """

    def __init__(self, weights: Sequence[str | Path], p: float = 1.0) -> None:
        if not weights or isinstance(weights, str | Path):
            raise InputError(f"weights: expected at least one folder in a list, got {weights!r}")
        if not 0 <= p <= 1:
            raise InputError(f"p: expected a probability, got {p}")
        self.weights = [str(folder) for folder in weights]
        self.p = p
        for folder in self.weights:
            _translator(folder, torch.device("cpu"))

    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        i, hit = int(rng.integers(len(self.weights))), rng.random() < self.p
        seed = int(rng.integers(2**53))
        return {"weights": self.weights[i] if hit else None, "seed": seed}

    @staticmethod
    def apply(stack: Tensor, weights: Sequence[str | None], seed: Sequence[int] | None = None) -> Tensor:
        """Translate stacks. Each process reads weights once.

        Args:
            stack: the stacks, normalized.
            weights: folder of each sample's translation; none leaves the sample as it is.
            seed: seed of each sample's noise, for translations that add some; 0 by default.

        Shapes:
            stack ``[B, C, Z, Y, X]``, result the same.

        Raises:
            InputError: as the constructor, for the weights.
        """
        check_stacks(stack, weights)
        # One by one: convolutions round differently in batches of different sizes.
        done = [
            one if folder is None else normalize_slices(_translator(folder, one.device)(one, number))
            for one, folder, number in zip(stack.split(1), weights, seed or [0] * len(weights), strict=True)
        ]
        return torch.cat(done)


def _translator(folder: str, device: torch.device) -> StyleTranslator:
    file = Path(folder) / "model.safetensors"
    # Weights written anew are read anew.
    return _read(folder, file.stat().st_mtime_ns if file.is_file() else 0, device)


@lru_cache(maxsize=8)
def _read(folder: str, written: int, device: torch.device) -> StyleTranslator:
    translator = StyleTranslator.from_pretrained(folder)
    units = translator.config.source.kind, translator.config.target.kind
    if units != ("slice", "slice"):
        raise InputError(
            f"weights: expected a translation that scales by the slice, since stacks come normalized, got "
            f"{units[0]!r} to {units[1]!r} in {folder}"
        )
    return translator.to(device)
