"""Tips drawn at random (the graph-AFM thesis, Aalto University, see CITATION.cff, section 2.3.2)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from torch import Tensor

from torch_afm.config import Tip
from torch_afm.transforms.base import Drawn

_Height = TypeVar("_Height", float, Tensor)


class RandomTip:
    """Draw moves of a tip: its probe's equilibrium uniformly from a disk, and a change of the tip-sample
    distance (the thesis, section 2.3.2, augmentations i and ii).

    Args:
        radius: radius of the disk in Å.
        distance: largest change of the distance in Å, either way.
    """

    def __init__(self, radius: float = 0.5, distance: float = 0.25) -> None:
        self.radius = radius
        self.distance = distance

    def draw(self, rng: np.random.Generator) -> Drawn:
        """Parameters of :meth:`apply` for one stack."""
        r, angle = self.radius * math.sqrt(rng.uniform()), rng.uniform(0.0, 2 * math.pi)
        tilt = [r * math.cos(angle), r * math.sin(angle)]
        return {"tilt": tilt, "distance": rng.uniform(-self.distance, self.distance)}

    @staticmethod
    def apply(tip: Tip, z_top: _Height, tilt: Sequence[float], distance: float) -> tuple[Tip, _Height]:
        """Move a tip.

        Args:
            tip: the tip before.
            z_top: its first anchor height in Å.
            tilt: (x, y) in Å to add to the equilibrium of the probe.
            distance: in Å, to add to the anchor heights of the scan.

        Returns:
            the tip and its first anchor height.
        """
        moved = dataclasses.replace(tip, tilt=(tip.tilt[0] + tilt[0], tip.tilt[1] + tilt[1]))
        return moved, z_top + distance

    def __repr__(self) -> str:
        return f"{type(self).__name__}(radius={self.radius}, distance={self.distance})"
