"""The eight symmetries of a square: quarter turns about the vertical axis, with a mirror image before or not.

The physics of a scan knows no compass and no handedness: the scan of a turned molecule with a turned tip is
the turned scan.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, move_graph


@dataclass(frozen=True)
class Symmetry:
    """Mirror x, where asked for, then turn by quarter turns from x towards y. Pixels are moved, none is
    interpolated.

    Args:
        turns: quarter turns.
        mirror: whether x is mirrored first.
    """

    turns: int = 0
    mirror: bool = False

    @classmethod
    def group(cls, n: int = 8) -> tuple[Symmetry, ...]:
        """The first ``n``: 1 is the identity, 2 have the mirror image along x, 4 that along y and both, 8
        these turned by a quarter, which need a square."""
        return tuple(cls(turns, mirror) for turns in (0, 2, 1, 3) for mirror in (False, True))[:n]

    @property
    def swaps_axes(self) -> bool:
        """Whether x becomes y."""
        return self.turns % 2 == 1

    @property
    def inverse(self) -> Symmetry:
        """What undoes this one."""
        return self if self.mirror else Symmetry(-self.turns % 4)

    def after(self, first: Symmetry) -> Symmetry:
        """``first``, then this one."""
        turns = -first.turns if self.mirror else first.turns
        return Symmetry((self.turns + turns) % 4, self.mirror != first.mirror)

    def image(self, image: Tensor) -> Tensor:
        """Images ``[..., Y, X]``, about their middle."""
        return torch.rot90(image.flip(-1) if self.mirror else image, self.turns, dims=(-1, -2))

    def vectors(self, vectors: Tensor) -> Tensor:
        """Vectors ``[..., 3]``, or ``[..., 2]`` in the plane."""
        x, y, *z = vectors.unbind(-1)
        x = -x if self.mirror else x
        for _ in range(self.turns % 4):
            x, y = -y, x
        return torch.stack([x, y, *z], dim=-1)

    def points(self, pos: Tensor, center: tuple[float, float] = (0.0, 0.0)) -> Tensor:
        """Positions ``[..., 3]`` in Å, about the vertical axis through ``center``."""
        middle = pos.new_tensor([*center, 0.0])
        return self.vectors(pos - middle) + middle

    def variances(self, values: Tensor) -> Tensor:
        """What belongs to the axes and has no sign, ``[..., 3]``: variances, standard deviations."""
        return values[..., [1, 0, 2]] if self.swaps_axes else values

    def graph(self, data: AFMData, center: tuple[float, float] = (0.0, 0.0)) -> AFMData:
        """A copy of a graph with everything that has a place (:func:`torch_afm.data.move_graph`) and its
        ``sigma`` turned about ``center``."""
        turned = data.clone()
        move_graph(turned, lambda pos: self.points(pos, center))
        if "sigma" in turned:
            turned.sigma = self.variances(turned.sigma)
        return turned

    def tip(self, tip: Tip) -> Tip:
        """The tip with its tilt and lateral springs turned."""
        x, y = self.vectors(torch.tensor(tip.tilt, dtype=torch.float64)).tolist()
        kx, ky, kz = tip.stiffness
        return dataclasses.replace(
            tip, tilt=(x, y), stiffness=(ky, kx, kz) if self.swaps_axes else (kx, ky, kz)
        )

    def scan(self, scan: Scan) -> Scan:
        """The scan turned about its center."""
        if not self.swaps_axes:
            return scan
        (x, y), (width, height) = scan.center, scan.extent
        window = ((x - height / 2, x + height / 2), (y - width / 2, y + width / 2))
        return dataclasses.replace(scan, window=window, pixels=scan.pixels[::-1])


def window_symmetries(scan: Scan) -> tuple[Symmetry, ...]:
    """Those that lay the window and the pixels of a scan upon themselves: all eight of a square, or four."""
    square = scan.pixels[0] == scan.pixels[1] and np.isclose(*scan.extent)
    return Symmetry.group(8 if square else 4)
