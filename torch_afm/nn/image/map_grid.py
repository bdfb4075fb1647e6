"""The pixels of a map, and atoms painted on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from torch_afm.config import Scan

#: Widths of a Gaussian beyond which it is 0.
CUTOFF = 4.0


class Patches(NamedTuple):
    """Square patches of pixels around atoms.

    Shapes:
        row and column ``[N, n]``, those beyond the map as at its edge; inside ``[N, n]``: whether they are on
        the map; offset ``[N, n, 2]``: from the pixel's center to the atom, x and y in Å.
    """

    row: Tensor
    column: Tensor
    inside: Tensor
    offset: Tensor


@dataclass(frozen=True)
class MapGrid:
    """Pixels of a feature map over a scan, in the graph's frame (x = y = 0 at the window's center). A map
    pixel lies in the middle of the ``stride`` x ``stride`` pixels of the scan that it stands for.

    Args:
        shape: ``(Y, X)`` pixels of the map.
        first: ``(x, y)`` of its first pixel in Å.
        pitch: ``(x, y)`` distance of its pixels in Å.
    """

    shape: tuple[int, int]
    first: tuple[float, float]
    pitch: tuple[float, float]

    @classmethod
    def from_scan(cls, scan: Scan, stride: int = 1) -> MapGrid:
        """The map of one pixel for each ``stride`` x ``stride`` pixels of ``scan``."""
        sizes = [b - a for a, b in scan.window]
        steps = scan.pixel_size
        first = [(stride - 1) / 2 * step - size / 2 for size, step in zip(sizes, steps, strict=True)]
        nx, ny = (n // stride for n in scan.pixels)
        return cls((ny, nx), (first[0], first[1]), (steps[0] * stride, steps[1] * stride))

    @classmethod
    def centered(cls, shape: Sequence[int], pitch: tuple[float, float]) -> MapGrid:
        """The map of ``shape`` (Y, X), its middle at x = y = 0, with a ``pitch`` (x, y) in Å."""
        height, width = shape
        first = (-(width - 1) / 2 * pitch[0], -(height - 1) / 2 * pitch[1])
        return cls((height, width), first, pitch)

    def axes(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Positions of the columns ``[X]`` and of the rows ``[Y]`` in Å."""
        x, y = (
            first + pitch * torch.arange(n, device=like.device, dtype=like.dtype)
            for first, pitch, n in zip(self.first, self.pitch, self.shape[::-1], strict=True)
        )
        return x, y

    def nearest(self, pos: Tensor) -> tuple[Tensor, Tensor]:
        """Column and row of the pixel nearest to each position ``[N, 2 or 3]``; beyond the map, as if it went
        on."""
        first, pitch = pos.new_tensor(self.first), pos.new_tensor(self.pitch)
        index = ((pos[:, :2] - first) / pitch).round().long()
        return index[:, 0], index[:, 1]

    def patches(self, pos: Tensor, radius: int) -> Patches:
        """The pixel nearest to each position ``[N, 2 or 3]``, and those up to ``radius`` columns and rows
        from it."""
        steps = torch.arange(-radius, radius + 1, device=pos.device)
        shift = torch.cartesian_prod(steps, steps)
        column, row = (i[:, None] + s for i, s in zip(self.nearest(pos), shift.T, strict=True))
        height, width = self.shape
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        first, pitch = pos.new_tensor(self.first), pos.new_tensor(self.pitch)
        offset = pos[:, None, :2] - (first + pitch * torch.stack([column, row], dim=-1))
        return Patches(row.clamp(0, height - 1), column.clamp(0, width - 1), inside, offset)

    def gaussians(self, pos: Tensor, sigma: float) -> Tensor:
        r"""A Gaussian of height 1 at each position,

        .. math::
            g_v(x, y) = \exp\left(-\frac{(x - x_v)^2 + (y - y_v)^2}{2 \sigma^2}\right)

        Shapes:
            pos ``[N, 2 or 3]`` Å, result ``[N, Y, X]``.
        """
        x, y = self.axes(pos)
        along_x = ((x - pos[:, :1]) / sigma).square().mul(-0.5).exp()
        along_y = ((y - pos[:, 1:2]) / sigma).square().mul(-0.5).exp()
        return along_y[:, :, None] * along_x[:, None]

    def sample(self, maps: Tensor, pos: Tensor, batch: Tensor) -> Tensor:
        """``maps`` of each atom's graph at its place, between pixels linearly, beyond the map as at its edge.

        Shapes:
            maps ``[B, C, Y, X]``, pos ``[N, 2 or 3]`` Å, batch ``[N]``, result ``[N, C]``.
        """
        first, pitch = pos.new_tensor(self.first), pos.new_tensor(self.pitch)
        last = pos.new_tensor(self.shape[::-1]) - 1
        place = ((pos[:, :2] - first) / pitch).clamp(min=0).minimum(last)
        low = place.floor().clamp(max=(last - 1).clamp(min=0)).long()
        high = (low + 1).minimum(last.long())
        (u, v), (x0, y0), (x1, y1) = (place - low).T[:, :, None], low.T, high.T
        left = maps[batch, :, y0, x0] * (1 - v) + maps[batch, :, y1, x0] * v
        right = maps[batch, :, y0, x1] * (1 - v) + maps[batch, :, y1, x1] * v
        return left * (1 - u) + right * u

    def paint(
        self, pos: Tensor, label: Tensor, batch: Tensor, num_graphs: int, num_labels: int, sigma: float
    ) -> Tensor:
        """Graphs as images: a channel a label with the sum of the Gaussians of its atoms
        (:meth:`gaussians`), and one with the sum of all Gaussians times their atoms' z in Å. Pixels farther
        than four widths along x or y from the one nearest to an atom are left out.

        Shapes:
            pos ``[N, 3]`` Å, label ``[N]`` from 0 on, batch ``[N]``, result ``[B, num_labels + 1, Y, X]``.
        """
        patches = self.patches(pos, math.ceil(CUTOFF * sigma / min(self.pitch)))
        spots = (patches.offset.square().sum(dim=-1) / (-2 * sigma**2)).exp() * patches.inside
        channels = num_labels + 1
        image = spots.new_zeros(num_graphs * channels * self.shape[0] * self.shape[1])
        place = patches.row * self.shape[1] + patches.column
        for channel, values in ((label, spots), (num_labels, spots * pos[:, 2:3])):
            first = (batch * channels + channel) * (self.shape[0] * self.shape[1])
            image.index_add_(0, (first[:, None] + place).flatten(), values.flatten())
        return image.view(num_graphs, channels, *self.shape)
