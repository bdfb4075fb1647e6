"""Fewer slices, begun elsewhere."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.transforms.base import Drawn, FrameTransform, RandomFrameTransform
from torch_afm.utils import InputError


class CropSlices(FrameTransform):
    """Keep ``n_slices`` slices from ``start`` on, counted from the farthest; of these only the ``count``
    nearest are known, the others are zero, as a slice without contrast is. ``z_top`` becomes the anchor
    height of the first one kept.

    Args:
        start: first slice of each sample.
        count: known slices of each sample.
        n_slices: slices to keep, the same for all.

    Shapes:
        stack ``[B, C, Z, Y, X]``, result ``[B, C, n_slices, Y, X]``.
    """

    def __init__(self, start: Sequence[int], count: Sequence[int], n_slices: Sequence[int]) -> None:
        if len(set(n_slices)) != 1:
            raise InputError(f"n_slices: expected the same for all samples of a batch, got {list(n_slices)}")
        self.start = start
        self.count = count
        self.n_slices = n_slices[0]

    def stack(self, stack: Tensor) -> Tensor:
        self.check(stack, self.start)
        out = torch.stack([s[:, z : z + self.n_slices] for s, z in zip(stack, self.start, strict=True)])
        for part, count in zip(out, self.count, strict=True):
            part[:, : self.n_slices - count] = 0
        return out

    def graph(self, samples: Sequence[AFMData], scan: Scan) -> None:
        for data, start in zip(samples, self.start, strict=True):
            if "z_top" in data:
                data.z_top = data.z_top - scan.dz * start

    def scan(self, scan: Scan) -> Scan:
        if not 1 <= self.n_slices <= scan.n_slices:
            raise InputError(f"n_slices: expected 1 to {scan.n_slices} to keep, got {self.n_slices}")
        return dataclasses.replace(scan, n_slices=self.n_slices)


class RandomCropSlices(RandomFrameTransform):
    """Draw :class:`CropSlices`: every start, and every number of known slices, equally likely.

    Args:
        n_slices: slices to keep. The scan that is rendered should have more.
        fewest: the smallest number of known slices; all are known by default.

    Raises:
        InputError: for more known slices than are kept, or none.
    """

    applies = CropSlices

    def __init__(self, n_slices: int, fewest: int | None = None) -> None:
        self.n_slices = n_slices
        self.fewest = n_slices if fewest is None else fewest
        if not 1 <= self.fewest <= n_slices:
            raise InputError(f"fewest: expected 1 to {n_slices} (n_slices), got {fewest}")

    def draw(self, scan: Scan, pos: np.ndarray, rng: np.random.Generator) -> Drawn:
        start = int(rng.integers(max(0, scan.n_slices - self.n_slices) + 1))
        count = int(rng.integers(self.fewest, self.n_slices + 1))
        return {"start": start, "count": count, "n_slices": self.n_slices}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n_slices={self.n_slices}, fewest={self.fewest})"
