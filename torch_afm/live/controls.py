"""What the sliders of the page set."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from torch_afm.config import Scan, Tip
from torch_afm.utils import InputError


@dataclass(frozen=True)
class Slider:
    """One number that can be set.

    Args:
        label: what it is called on the page.
        unit: its unit.
        low: its smallest value.
        high: its largest value.
        step: between two places of the slider.
    """

    label: str
    unit: str
    low: float
    high: float
    step: float


#: The fields of :class:`Controls`, in the order of the page.
SLIDERS: dict[str, Slider] = {
    "approach": Slider("height of the probe over the top atom at closest approach", "Å", 2.0, 8.0, 0.05),
    "amplitude": Slider("amplitude, peak to peak", "Å", 0.2, 6.0, 0.1),
    "stiffness": Slider("lateral stiffness", "N/m", 0.05, 2.0, 0.01),
    "tilt_x": Slider("tilt of the probe along x", "Å", -1.0, 1.0, 0.05),
    "tilt_y": Slider("tilt of the probe along y", "Å", -1.0, 1.0, 0.05),
    "charges": Slider("charges of the tip, times", "", -3.0, 3.0, 0.1),
    "x": Slider("molecule from the middle along x", "Å", -30.0, 30.0, 0.1),
    "y": Slider("molecule from the middle along y", "Å", -30.0, 30.0, 0.1),
    "turn": Slider("molecule turned", "°", -180.0, 180.0, 1.0),
}


@dataclass(frozen=True)
class Controls:
    """Settings of the tip, the oscillation and the place of the molecule.

    Args:
        approach: height in Å of the probe, hanging straight down, above the top atom where it comes nearest:
            at the lower turning point of the nearest slice.
        amplitude: of the oscillation in Å, peak to peak; whole steps of height are taken of it.
        stiffness: lateral stiffness of the tip in N/m, along x and y.
        tilt_x: equilibrium offset of the probe along x in Å.
        tilt_y: likewise along y.
        charges: factor on the charges of the tip.
        x: middle of the molecule from that of the window in Å, along x.
        y: likewise along y.
        turn: angle in degrees by which the molecule is turned, counterclockwise seen from the tip.

    Raises:
        InputError: for a value outside of the range in :data:`SLIDERS`.
    """

    approach: float = 3.0
    amplitude: float = 1.0
    stiffness: float = 0.25
    tilt_x: float = 0.0
    tilt_y: float = 0.0
    charges: float = 1.0
    x: float = 0.0
    y: float = 0.0
    turn: float = 0.0

    def __post_init__(self) -> None:
        for name, slider in SLIDERS.items():
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if not (number and slider.low <= value <= slider.high):
                unit = f" {slider.unit}" if slider.unit else ""
                raise InputError(f"{name}: expected {slider.low:g} to {slider.high:g}{unit}, got {value}")

    def replace(self, **changes: Any) -> Controls:
        """A copy with other values."""
        return dataclasses.replace(self, **changes)

    def clipped(self, **changes: float) -> Controls:
        """A copy with other values, each moved into the range of its slider."""
        return self.replace(
            **{
                name: min(max(float(value), SLIDERS[name].low), SLIDERS[name].high)
                for name, value in changes.items()
            }
        )

    def for_tip(self, tip: Tip) -> Controls:
        """A copy with the lateral stiffness and tilt of a tip, and its charges as they are."""
        return self.clipped(stiffness=tip.stiffness[0], tilt_x=tip.tilt[0], tilt_y=tip.tilt[1], charges=1.0)

    def for_height(self, z_top: float, scan: Scan, tip: Tip) -> Controls:
        """A copy with the oscillation of a scan and the height of its first anchor in Å."""
        return self.clipped(amplitude=scan.amplitude, approach=z_top - _depth(scan) - tip.bond_length)

    def tip(self, base: Tip) -> Tip:
        """A tip with the stiffness, tilt and charges that are set."""
        return dataclasses.replace(
            base,
            stiffness=(self.stiffness, self.stiffness, base.stiffness[2]),
            tilt=(self.tilt_x, self.tilt_y),
            charges=tuple(self.charges * q for q in base.charges),
        )

    def scan(self, base: Scan) -> Scan:
        """A scan with the amplitude that is set, two steps of height at least."""
        return dataclasses.replace(base, n_oscillation=max(2, round(self.amplitude / base.dz)))

    def z_top(self, scan: Scan, tip: Tip) -> float:
        """First anchor height in Å above the top atom, for a scan with the amplitude that is set.

        .. math::
            z_\\mathrm{top} = h + R_0 + δ_z (n_\\mathrm{slices} - 1 + n_\\mathrm{oscillation} - 1)

        with ``approach`` :math:`h`, the bond length :math:`R_0` and the height step :math:`δ_z`.
        """
        return self.approach + tip.bond_length + _depth(scan)


def _depth(scan: Scan) -> float:
    """Å from the first anchor height down to the lower turning point of the nearest slice."""
    return scan.dz * (scan.n_slices - 1 + scan.n_oscillation - 1)
