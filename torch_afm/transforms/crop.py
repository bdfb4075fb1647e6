"""Fewer slices, and a smaller scan window."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.data import AFMData, move_graph
from torch_afm.transforms.base import Drawn, FrameAugmentation, check_stacks
from torch_afm.utils import InputError

_T = TypeVar("_T")


class CropSlices(FrameAugmentation):
    """Keep ``n_slices`` slices, of which only the nearest are known; the others are zero, as a slice without
    contrast is. Every start, and every number of known slices, is equally likely. ``z_top`` becomes the
    anchor height of the first slice kept.

    Args:
        n_slices: slices to keep. The scan that is rendered should have more.
        min_count: the smallest number of known slices; all are known by default.

    Raises:
        InputError: for more known slices than are kept, or none.
    """

    def __init__(self, n_slices: int, min_count: int | None = None) -> None:
        self.n_slices = n_slices
        self.min_count = n_slices if min_count is None else min_count
        if not 1 <= self.min_count <= n_slices:
            raise InputError(f"min_count: expected 1 to {n_slices} (n_slices), got {min_count}")

    def draw(self, scan: Scan, pos: np.ndarray, rng: np.random.Generator) -> Drawn:
        start = int(rng.integers(max(0, scan.n_slices - self.n_slices) + 1))
        count = int(rng.integers(self.min_count, self.n_slices + 1))
        return {"start": start, "count": count, "n_slices": self.n_slices}

    @staticmethod
    def apply(stack: Tensor, start: Sequence[int], count: Sequence[int], n_slices: Sequence[int]) -> Tensor:
        """Crop stacks.

        Args:
            stack: the stacks.
            start: first slice of each sample, counted from the farthest.
            count: known slices of each sample.
            n_slices: slices to keep, the same for all.

        Shapes:
            stack ``[B, C, Z, Y, X]``, result ``[B, C, n_slices, Y, X]``.

        Raises:
            InputError: for different ``n_slices``.
        """
        check_stacks(stack, start)
        n = _same("n_slices", n_slices)
        out = torch.stack([s[:, z : z + n] for s, z in zip(stack, start, strict=True)])
        for part, known in zip(out, count, strict=True):
            part[:, : n - known] = 0
        return out

    @staticmethod
    def apply_to_graphs(
        samples: Sequence[AFMData],
        scan: Scan,
        start: Sequence[int],
        count: Sequence[int],
        n_slices: Sequence[int],
    ) -> None:
        for data, first in zip(samples, start, strict=True):
            if "z_top" in data:
                data.z_top = data.z_top - scan.dz * first

    @staticmethod
    def apply_to_scan(
        scan: Scan, start: Sequence[int], count: Sequence[int], n_slices: Sequence[int]
    ) -> Scan:
        n = _same("n_slices", n_slices)
        if not 1 <= n <= scan.n_slices:
            raise InputError(f"n_slices: expected 1 to {scan.n_slices} to keep, got {n}")
        return dataclasses.replace(scan, n_slices=n)


class CropWindow(FrameAugmentation):
    """Keep a part of the scan window: any from which all visible atoms are seen, equally likely; where the
    molecule is too large for that, its middle. The graph moves so that the part's center comes to lie where
    the whole window's was. Atoms outside of the part stay in the graph.

    Args:
        pixels: (nx, ny) to keep.
    """

    def __init__(self, pixels: tuple[int, int]) -> None:
        self.pixels = pixels

    def draw(self, scan: Scan, pos: np.ndarray, rng: np.random.Generator) -> Drawn:
        corner = []
        for axis, (whole, part, size) in enumerate(
            zip(scan.pixels, self.pixels, scan.pixel_size, strict=True)
        ):
            first, last = (pos[:, axis].min(), pos[:, axis].max()) if len(pos) else (0.0, 0.0)
            left, right = ((v - scan.window[axis][0]) / size for v in (first, last))
            low = max(0, math.ceil(right - (part - 1)))
            high = min(whole - part, math.floor(left))
            if low <= high:
                corner.append(int(rng.integers(low, high + 1)))
            else:
                corner.append(max(0, min(whole - part, round((left + right - (part - 1)) / 2))))
        return {"corner": corner, "pixels": list(self.pixels)}

    @staticmethod
    def apply(stack: Tensor, corner: Sequence[Sequence[int]], pixels: Sequence[Sequence[int]]) -> Tensor:
        """Crop stacks.

        Args:
            stack: the stacks.
            corner: pixel (ix, iy) of each sample at which its part begins.
            pixels: (nx, ny) of each sample's part, the same for all.

        Shapes:
            stack ``[B, C, Z, Y, X]``, result ``[B, C, Z, ny, nx]``.

        Raises:
            InputError: for different ``pixels``.
        """
        check_stacks(stack, corner)
        nx, ny = _same("pixels", [tuple(p) for p in pixels])
        return torch.stack([s[..., y : y + ny, x : x + nx] for s, (x, y) in zip(stack, corner, strict=True)])

    @staticmethod
    def apply_to_graphs(
        samples: Sequence[AFMData],
        scan: Scan,
        corner: Sequence[Sequence[int]],
        pixels: Sequence[Sequence[int]],
    ) -> None:
        for data, begin, parts in zip(samples, corner, pixels, strict=True):
            move = [
                ((whole - part) / 2 - first) * size
                for whole, part, first, size in zip(scan.pixels, parts, begin, scan.pixel_size, strict=True)
            ]
            shift = torch.tensor([*move, 0.0], dtype=torch.float64)

            def shifted(pos: Tensor, shift: Tensor = shift) -> Tensor:
                return pos + shift.to(pos)

            move_graph(data, shifted)

    @staticmethod
    def apply_to_scan(scan: Scan, corner: Sequence[Sequence[int]], pixels: Sequence[Sequence[int]]) -> Scan:
        nx, ny = _same("pixels", [tuple(p) for p in pixels])
        if not (2 <= nx <= scan.pixels[0] and 2 <= ny <= scan.pixels[1]):
            raise InputError(f"pixels: expected 2 x 2 to {scan.pixels} to crop to, got {(nx, ny)}")
        (x0, x1), (y0, y1) = (
            (np.mean(axis) - (n - 1) / 2 * size, np.mean(axis) + (n - 1) / 2 * size)
            for axis, n, size in zip(scan.window, (nx, ny), scan.pixel_size, strict=True)
        )
        window = (float(x0), float(x1)), (float(y0), float(y1))
        return dataclasses.replace(scan, pixels=(nx, ny), window=window)


def _same(name: str, values: Sequence[_T]) -> _T:
    """The value that all samples have."""
    if any(value != values[0] for value in values):
        raise InputError(f"{name}: expected the same for all samples of a batch, got {list(values)}")
    return values[0]
