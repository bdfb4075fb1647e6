"""Style translation as an augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from torch_afm.models import StyleTranslator
from torch_afm.transforms.base import Drawn, RandomStackTransform, StackTransform
from torch_afm.transforms.normalize import NormalizeSlices
from torch_afm.utils import InputError


class StyleTranslate(StackTransform):
    """Translate normalised stacks into another style, and normalise them again. Each process reads weights
    once.

    Args:
        weights: folder of each sample's :class:`~torch_afm.models.StyleTranslator`; none leaves the sample
            as it is.
        seed: seed of each sample's noise, for translations that add some; 0 by default.

    Shapes:
        stack ``[B, C, Z, Y, X]``, result the same.

    Raises:
        InputError: for weights that cannot be read, and such that scale by anything but the ``slice``: the
            unit of normalised stacks is no longer theirs.
    """

    def __init__(self, weights: Sequence[str | None], seed: Sequence[int] | None = None) -> None:
        self.weights = weights
        self.seed = [0] * len(weights) if seed is None else seed

    def __call__(self, stack: Tensor) -> Tensor:
        self.check(stack, self.weights)
        # One by one: convolutions round differently in batches of different sizes.
        done = [
            own if weights is None else NormalizeSlices()(_translator(weights, own.device)(own, seed))
            for own, weights, seed in zip(stack.split(1), self.weights, self.seed, strict=True)
        ]
        return torch.cat(done)


class RandomStyle(RandomStackTransform):
    """Draw :class:`StyleTranslate`: with probability ``p`` one of the translations, any with equal chance. In
    an :class:`~torch_afm.transforms.Augment` it changes reference and simulated stacks alike; training sets
    whose reference stacks alone are translated are made by ``torch_afm.datasets.build_training_set``.

    Args:
        weights: folders of translations, say of several checkpoints or several experiments.
        p: probability that a stack is translated.

    Raises:
        InputError: for no folder, weights that :class:`StyleTranslate` refuses, and what is no probability.
    """

    applies = StyleTranslate

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
        which, hit = int(rng.integers(len(self.weights))), rng.random() < self.p
        seed = int(rng.integers(2**53))
        return {"weights": self.weights[which] if hit else None, "seed": seed}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.weights}, p={self.p})"


def _translator(folder: str, device: torch.device) -> StyleTranslator:
    file = Path(folder) / "model.safetensors"
    # Weights written anew are read anew.
    return _read(folder, file.stat().st_mtime_ns if file.is_file() else 0, device)


@lru_cache(maxsize=8)
def _read(folder: str, written: int, device: torch.device) -> StyleTranslator:
    translator = StyleTranslator.from_pretrained(Path(folder))
    kinds = translator.config.source.kind, translator.config.target.kind
    if kinds != ("slice", "slice"):
        raise InputError(
            f"weights: expected a translation that scales by the slice, since stacks come normalised, got "
            f"{kinds[0]!r} to {kinds[1]!r} in {folder}"
        )
    return translator.to(device)
