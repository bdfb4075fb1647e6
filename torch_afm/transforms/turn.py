"""Quarter turns and mirror images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.data import AFMData, move_graph
from torch_afm.symmetry import Symmetry
from torch_afm.transforms.base import Drawn, FrameTransform, RandomFrameTransform
from torch_afm.utils import InputError


class Turn(FrameTransform):
    """Mirror x, where asked for, then turn by quarter turns about the center of the window, from x towards y.
    Pixels are moved, none is interpolated.

    Args:
        turns: quarter turns of each sample.
        mirror: whether each sample is mirrored.

    Shapes:
        stack ``[B, C, Z, N, N]``, result the same.
    """

    def __init__(self, turns: Sequence[int], mirror: Sequence[bool]) -> None:
        self.turns = turns
        self.mirror = mirror

    def stack(self, stack: Tensor) -> Tensor:
        self.check(stack, self.turns)
        out = torch.empty_like(stack)
        ways = [Symmetry(*way) for way in zip(self.turns, self.mirror, strict=True)]
        for way in set(ways):
            chosen = [i for i, one in enumerate(ways) if one == way]
            out[chosen] = way.image(stack[chosen])
        return out

    def graph(self, samples: Sequence[AFMData], scan: Scan) -> None:
        for data, turns, mirror in zip(samples, self.turns, self.mirror, strict=True):
            move_graph(data, partial(Symmetry(turns, mirror).points, center=scan.center))

    def scan(self, scan: Scan) -> Scan:
        if scan.pixels[0] != scan.pixels[1] or not np.isclose(*scan.extent):
            raise InputError(f"scan: expected a square to turn, got {scan.pixels} pixels on {scan.window} Å")
        return scan


class RandomTurn(RandomFrameTransform):
    """Draw :class:`Turn`: all eight ways to lay a square upon itself, equally likely, or the four without
    mirroring.

    Args:
        mirror: whether to mirror, too.
    """

    applies = Turn

    def __init__(self, mirror: bool = True) -> None:
        self.mirror = mirror

    def draw(self, scan: Scan, pos: np.ndarray, rng: np.random.Generator) -> Drawn:
        return {"turns": int(rng.integers(4)), "mirror": self.mirror and bool(rng.integers(2))}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mirror={self.mirror})"
