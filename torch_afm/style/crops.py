"""Stacks of two domains, and pairs of crops to learn a translation from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from torch_afm.config import Scaling
from torch_afm.io import read_stack
from torch_afm.io.hdf5 import SampleFile
from torch_afm.utils import InputError, check_finite


class UnpairedCrops(Dataset[tuple[Tensor, Tensor]]):
    """A random crop of any stack of A with one of any stack of B, each scaled by its domain's scaling. One
    window, one run of adjacent slices and one flip (of x, with probability 1/2; rows stay scan lines) are
    drawn for a whole stack. Flips double the data, but make a style that has a handedness, such as the ghost
    of a double tip, one of both sides.

    Everything drawn follows from (seed, epoch, index): keys are ``(epoch, index)``.

    Args:
        a: stacks of domain A; they may differ in size.
        b: stacks of domain B.
        source: scaling of A, measured on whole stacks.
        target: scaling of B.
        crop: side of the window in pixels.
        slices: adjacent slices of a stack.
        size: pairs in an epoch.
        seed: seed of the draws.
        flip: whether to flip at all.

    Shapes:
        stacks ``[Z, Y, X]``; gives two ``[slices, crop, crop]``.

    Raises:
        InputError: for no stacks, and such that are smaller than a crop or hold a NaN.
    """

    def __init__(
        self,
        a: Sequence[Tensor],
        b: Sequence[Tensor],
        source: Scaling,
        target: Scaling,
        crop: int = 192,
        slices: int = 1,
        size: int = 1,
        seed: int = 0,
        flip: bool = True,
    ) -> None:
        self.crop, self.slices, self.size, self.seed, self.flip = crop, slices, size, seed, flip
        self.a, self.b = self._scaled("a", a, source), self._scaled("b", b, target)

    def _scaled(self, name: str, stacks: Sequence[Tensor], scaling: Scaling) -> list[Tensor]:
        if len(stacks) == 0:
            raise InputError(f"{name}: expected at least one stack to train on, got none")
        smallest = (self.slices, self.crop, self.crop)
        for stack in stacks:
            if stack.ndim != 3 or any(n < m for n, m in zip(stack.shape, smallest, strict=True)):
                raise InputError(
                    f"{name}: expected stacks [Z, Y, X] of at least {list(smallest)} for a crop, got "
                    f"{list(stack.shape)}"
                )
            check_finite(name, stack)
        return [scaling.apply(stack.float(), scaling.measure(stack.float())) for stack in stacks]

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((self.seed, *key))
        return self._draw(self.a, rng), self._draw(self.b, rng)

    def _draw(self, stacks: Sequence[Tensor], rng: np.random.Generator) -> Tensor:
        stack = stacks[int(rng.integers(len(stacks)))]
        size = (self.slices, self.crop, self.crop)
        starts = [int(rng.integers(n - m + 1)) for n, m in zip(stack.shape, size, strict=True)]
        part = stack[tuple(slice(i, i + m) for i, m in zip(starts, size, strict=True))]
        return torch.flip(part, (2,)) if self.flip and rng.random() < 0.5 else part

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.a)} and {len(self.b)} stacks, {self.size} pairs)"


def read_stacks(path: str | Path) -> list[Tensor]:
    """All stacks of a domain, each channel one of its own, in Hz.

    Args:
        path: a stack file (.npz), a folder of such, or a folder that ``torch-afm dataset`` rendered.

    Shapes:
        each ``[Z, Y, X]``, in the order of the files' names.

    Raises:
        InputError: for a path without stacks, and for files that cannot be read.
    """
    path = Path(path)
    files = [path] if path.is_file() else sorted(path.glob("*.npz"))
    if files:
        return [torch.from_numpy(channel) for file in files for channel in read_stack(file).stack]
    stacks: list[Tensor] = []
    for file in sorted(path.glob("*.h5")):
        samples = SampleFile(file)
        for i in range(len(samples)):
            stacks += samples.stack(i).unbind()
        samples.close()
    if not stacks:
        raise InputError(f"{path}: expected a stack file (.npz), or a folder with .npz or .h5 files")
    return stacks
