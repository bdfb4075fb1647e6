"""Randomised tips."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from torch_afm.config import Tip


class RandomTip:
    """Draw the probe's equilibrium uniformly from a disk and a change of the tip-sample distance (the thesis,
    section 2.3.2, augmentations i and ii).

    Args:
        tip: the tip to start from.
        radius: radius of the disk in Å.
        distance: largest change of the distance in Å, either way.
    """

    def __init__(self, tip: Tip, radius: float = 0.5, distance: float = 0.25) -> None:
        self.tip = tip
        self.radius = radius
        self.distance = distance

    def __call__(self, rng: np.random.Generator) -> tuple[Tip, float]:
        """The tip drawn, and the change of its anchor height in Å."""
        r, angle = self.radius * math.sqrt(rng.uniform()), rng.uniform(0.0, 2 * math.pi)
        x0, y0 = self.tip.tilt
        tilt = (x0 + r * math.cos(angle), y0 + r * math.sin(angle))
        return dataclasses.replace(self.tip, tilt=tilt), float(rng.uniform(-self.distance, self.distance))
