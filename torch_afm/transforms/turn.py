"""Quarter turns and mirror images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.transforms.base import Drawn, FrameTransform, RandomFrameTransform, move_graph
from torch_afm.utils import InputError


class Turn(FrameTransform):
    """Mirror x, where asked for, then turn by quarter turns about the centre of the window, from x towards y.
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
        kinds = list(zip(self.turns, self.mirror, strict=True))
        for turns, mirror in set(kinds):
            chosen = [i for i, kind in enumerate(kinds) if kind == (turns, mirror)]
            old = stack[chosen]
            out[chosen] = torch.rot90(old.flip(-1) if mirror else old, turns, dims=(-1, -2))
        return out

    def graph(self, samples: Sequence[AFMData], scan: Scan) -> None:
        centre = torch.tensor([*(np.mean(axis) for axis in scan.window), 0.0])
        for data, turns, mirror in zip(samples, self.turns, self.mirror, strict=True):
            cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[turns % 4]
            sign = -1 if mirror else 1

            def move(pos: Tensor, cos: int = cos, sin: int = sin, sign: int = sign) -> Tensor:
                x, y, z = (pos - centre.to(pos)).unbind(1)
                turned = torch.stack([sign * cos * x - sin * y, sign * sin * x + cos * y, z], dim=1)
                return turned + centre.to(pos)

            move_graph(data, move)

    def scan(self, scan: Scan) -> Scan:
        (x0, x1), (y0, y1) = scan.window
        if scan.pixels[0] != scan.pixels[1] or not np.isclose(x1 - x0, y1 - y0):
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
