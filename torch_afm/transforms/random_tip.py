"""Randomised tips."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from torch_afm.config import Tip
from torch_afm.transforms.base import Drawn


class MoveTip:
    """Move a tip's probe aside.

    Args:
        tilt: (x, y) in Å to add to the equilibrium of the probe.
        distance: in Å, to add to the anchor heights of the scan.
    """

    def __init__(self, tilt: Sequence[float], distance: float) -> None:
        self.tilt = tilt
        self.distance = distance

    def __call__(self, tip: Tip) -> Tip:
        return dataclasses.replace(tip, tilt=(tip.tilt[0] + self.tilt[0], tip.tilt[1] + self.tilt[1]))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(tilt={self.tilt}, distance={self.distance})"


class RandomTip:
    """Draw :class:`MoveTip`: the probe's equilibrium uniformly from a disk, and a change of the tip-sample
    distance (the thesis, section 2.3.2, augmentations i and ii).

    Args:
        radius: radius of the disk in Å.
        distance: largest change of the distance in Å, either way.
    """

    applies = MoveTip

    def __init__(self, radius: float = 0.5, distance: float = 0.25) -> None:
        self.radius = radius
        self.distance = distance

    def draw(self, rng: np.random.Generator) -> Drawn:
        r, angle = self.radius * math.sqrt(rng.uniform()), rng.uniform(0.0, 2 * math.pi)
        tilt = [r * math.cos(angle), r * math.sin(angle)]
        return {"tilt": tilt, "distance": rng.uniform(-self.distance, self.distance)}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(radius={self.radius}, distance={self.distance})"
