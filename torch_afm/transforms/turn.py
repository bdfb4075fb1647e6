"""Quarter turns and mirror images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.data import AFMData, move_graph
from torch_afm.symmetry import Symmetry, window_symmetries
from torch_afm.transforms.base import Drawn, FrameAugmentation, check_stacks
from torch_afm.utils import InputError


class Turn(FrameAugmentation):
    """Mirror x or not, then turn by quarter turns about the center of the window, from x towards y: all eight
    ways to lay a square upon itself (:class:`~torch_afm.symmetry.Symmetry`), equally likely, or the four
    without mirroring. Pixels are moved, none is interpolated.

    Args:
        mirror: whether to mirror, too.
    """

    def __init__(self, mirror: bool = True) -> None:
        self.mirror = mirror

    def draw(self, scan: Scan, pos: np.ndarray, rng: np.random.Generator) -> Drawn:
        return {"turns": int(rng.integers(4)), "mirror": self.mirror and bool(rng.integers(2))}

    @staticmethod
    def apply(stack: Tensor, turns: Sequence[int], mirror: Sequence[bool]) -> Tensor:
        """Turn stacks.

        Args:
            stack: the stacks.
            turns: quarter turns of each sample.
            mirror: whether each sample is mirrored.

        Shapes:
            stack ``[B, C, Z, N, N]``, result the same.
        """
        check_stacks(stack, turns)
        out = torch.empty_like(stack)
        symmetries = [Symmetry(*one) for one in zip(turns, mirror, strict=True)]
        for symmetry in set(symmetries):
            chosen = [i for i, one in enumerate(symmetries) if one == symmetry]
            out[chosen] = symmetry.image(stack[chosen])
        return out

    @staticmethod
    def apply_to_graphs(
        samples: Sequence[AFMData], scan: Scan, turns: Sequence[int], mirror: Sequence[bool]
    ) -> None:
        for data, n, mirrored in zip(samples, turns, mirror, strict=True):
            move_graph(data, partial(Symmetry(n, mirrored).points, center=scan.center))

    @staticmethod
    def apply_to_scan(scan: Scan, turns: Sequence[int], mirror: Sequence[bool]) -> Scan:
        quarter = any(n % 2 for n in turns)
        if quarter and len(window_symmetries(scan)) < 8:
            raise InputError(f"scan: expected a square to turn, got {scan.pixels} pixels on {scan.window} Å")
        return scan

    def scan(self, scan: Scan) -> Scan:
        # Whatever is drawn, quarter turns must be possible.
        return self.apply_to_scan(scan, [1], [False])
