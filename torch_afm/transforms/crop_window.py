"""A smaller scan window."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.data import AFMData, move_graph
from torch_afm.transforms.base import Drawn, FrameTransform, RandomFrameTransform
from torch_afm.utils import InputError


class CropWindow(FrameTransform):
    """Keep a part of the scan window. The graph moves so that the part's centre comes to lie where the whole
    window's was. Atoms outside of the part stay in the graph.

    Args:
        corner: pixel (ix, iy) of each sample at which its part begins.
        pixels: (nx, ny) of each sample's part, the same for all.

    Shapes:
        stack ``[B, C, Z, Y, X]``, result ``[B, C, Z, ny, nx]``.
    """

    def __init__(self, corner: Sequence[tuple[int, int]], pixels: Sequence[tuple[int, int]]) -> None:
        self.corner = corner
        if len({tuple(p) for p in pixels}) != 1:
            raise InputError(f"pixels: expected the same for all samples of a batch, got {list(pixels)}")
        self.pixels = int(pixels[0][0]), int(pixels[0][1])

    def stack(self, stack: Tensor) -> Tensor:
        self.check(stack, self.corner)
        nx, ny = self.pixels
        parts = [s[..., y : y + ny, x : x + nx] for s, (x, y) in zip(stack, self.corner, strict=True)]
        return torch.stack(parts)

    def graph(self, samples: Sequence[AFMData], scan: Scan) -> None:
        for data, corner in zip(samples, self.corner, strict=True):
            move = [
                ((whole - part) / 2 - begin) * size
                for whole, part, begin, size in zip(
                    scan.pixels, self.pixels, corner, scan.pixel_size, strict=True
                )
            ]
            shift = torch.tensor([*move, 0.0], dtype=torch.float64)

            def shifted(pos: Tensor, shift: Tensor = shift) -> Tensor:
                return pos + shift.to(pos)

            move_graph(data, shifted)

    def scan(self, scan: Scan) -> Scan:
        if any(not 2 <= part <= whole for part, whole in zip(self.pixels, scan.pixels, strict=True)):
            raise InputError(f"pixels: expected 2 x 2 to {scan.pixels} to crop to, got {self.pixels}")
        (x0, x1), (y0, y1) = (
            (np.mean(axis) - (n - 1) / 2 * size, np.mean(axis) + (n - 1) / 2 * size)
            for axis, n, size in zip(scan.window, self.pixels, scan.pixel_size, strict=True)
        )
        window = (float(x0), float(x1)), (float(y0), float(y1))
        return dataclasses.replace(scan, pixels=self.pixels, window=window)


class RandomCropWindow(RandomFrameTransform):
    """Draw :class:`CropWindow`: any place from which all visible atoms are seen, equally likely; where the
    molecule is too large for that, its middle.

    Args:
        pixels: (nx, ny) to keep.
    """

    applies = CropWindow

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

    def __repr__(self) -> str:
        return f"{type(self).__name__}(pixels={self.pixels})"
