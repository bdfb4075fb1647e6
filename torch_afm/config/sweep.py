"""Several simulations in one: the settings that vary, and all their combinations."""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass
from typing import NamedTuple

from torch_afm.config.scan import Scan
from torch_afm.config.tip import Tip
from torch_afm.utils import InputError

#: Stacks of one sweep, and values in all of them together: 2 GB.
MAX_STACKS, MAX_VALUES = 64, 1 << 29
#: Symbol and unit of each setting in labels.
_LABELS = {
    "lateral_stiffness": ("k", "N/m"),
    "tilt": ("tilt", "Å"),
    "tilt_direction": ("toward", "°"),
    "amplitude": ("A", "Å"),
    "height": ("z", "Å"),
}


class Variation(NamedTuple):
    """One combination of a :class:`Sweep`.

    Attributes:
        parameters: the values of what varies, by the names of the sweep.
        scan: with the amplitude of this combination.
        tip: with its spring and tilt.
        z_top: first anchor height in Å.
    """

    parameters: dict[str, float]
    scan: Scan
    tip: Tip
    z_top: float

    @property
    def label(self) -> str:
        """The parameters in a line, empty where there are none."""
        words = ((*_LABELS[name], value) for name, value in self.parameters.items())
        return ", ".join(f"{symbol} {value:g} {unit}".replace(" °", "°") for symbol, unit, value in words)


@dataclass(frozen=True)
class Sweep:
    """Values of settings of which each combination is simulated, at most 64; a setting without values stays
    as scan and tip have it.

    Args:
        lateral_stiffness: lateral stiffness of the tip along x and y, in N/m.
        tilt: by how many Å the free probe hangs aside of its anchor.
        tilt_direction: to where it does, in degrees counterclockwise from x.
        amplitude: of the oscillation, peak to peak in Å, whole steps of height; the slices stay at their
            heights.
        height: of the anchor at the middle of the oscillation in the nearest slice, in Å.
    """

    lateral_stiffness: tuple[float, ...] = ()
    tilt: tuple[float, ...] = ()
    tilt_direction: tuple[float, ...] = ()
    amplitude: tuple[float, ...] = ()
    height: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name, values in self._values.items():
            if not all(math.isfinite(value) for value in values):
                raise InputError(f"{name}: expected finite numbers, got {list(values)}")
            if name not in ("tilt_direction", "height") and min(values, default=0.0) < 0:
                raise InputError(f"{name}: expected numbers of 0 or more, got {min(values):g}")
        if self.tilt_direction and not self.tilt:
            raise InputError("tilt_direction: expected a tilt beside it, got none")
        if self.n_stacks > MAX_STACKS:
            counts = " x ".join(str(len(values)) for values in self._values.values() if values)
            names = ", ".join(name for name, values in self._values.items() if len(values) > 1)
            raise InputError(f"{names}: expected at most {MAX_STACKS} combinations, got {counts}")

    @property
    def _values(self) -> dict[str, tuple[float, ...]]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @property
    def n_stacks(self) -> int:
        """Combinations of all values."""
        return math.prod(max(1, len(values)) for values in self._values.values())

    def variations(self, scan: Scan, tip: Tip, z_top: float) -> list[Variation]:
        """All combinations, the last setting fastest.

        Args:
            scan: the scan that the others are made of.
            tip: the tip that the others are made of.
            z_top: first anchor height of ``scan`` in Å.

        Raises:
            InputError: for an amplitude that is no whole number of height steps, a tilt longer than the bond,
                and more than 2 GB of stacks.
        """
        if self.n_stacks * math.prod(scan.shape) > MAX_VALUES:
            raise InputError(
                f"pixels, n_slices: expected at most {MAX_VALUES} values in all stacks, got {self.n_stacks} "
                f"stacks of {' x '.join(map(str, scan.shape))}"
            )
        used = {name: values for name, values in self._values.items() if values}
        return [
            _variation(dict(zip(used, combination, strict=True)), scan, tip, z_top)
            for combination in itertools.product(*used.values())
        ]


def parse_values(text: str) -> tuple[float, ...]:
    """The numbers in ``"0.2:0.6:3"`` (first, last, how many, evenly spaced), ``"0.2,0.4"`` or ``"0.2"``.

    Raises:
        InputError: for other text, more than 64 numbers, and ones that are not finite.
    """
    words = text.split(":")
    try:
        if len(words) == 1:
            found = tuple(float(word) for word in text.split(","))
        else:
            first, last, count = float(words[0]), float(words[1]), int(words[2])
            if len(words) > 3 or not 2 <= count <= MAX_STACKS:
                raise ValueError
            found = tuple(first + (last - first) * i / (count - 1) for i in range(count))
    except (ValueError, IndexError):
        found = ()
    if not 1 <= len(found) <= MAX_STACKS or not all(map(math.isfinite, found)):
        raise InputError(
            "expected a number, numbers with commas, or first:last:count with a count of 2 to "
            f"{MAX_STACKS}, got {text[:80]!r}"
        )
    return tuple(round(value, 12) for value in found)


def _variation(parameters: dict[str, float], scan: Scan, tip: Tip, z_top: float) -> Variation:
    height = parameters.get("height", float(scan.slice_heights(z_top)[-1]))
    if "lateral_stiffness" in parameters:
        k = parameters["lateral_stiffness"]
        tip = dataclasses.replace(tip, stiffness=(k, k, tip.stiffness[2]))
    if "tilt" in parameters:
        angle = math.radians(parameters.get("tilt_direction", 0.0))
        aside = tuple(round(parameters["tilt"] * part, 12) for part in (math.cos(angle), math.sin(angle)))
        tip = dataclasses.replace(tip, tilt=(aside[0], aside[1]))
    if "amplitude" in parameters:
        amplitude = parameters["amplitude"]
        n = round(min(amplitude / scan.dz, 1e6))
        if n < 2 or abs(n * scan.dz - amplitude) > 0.01 * scan.dz:
            raise InputError(
                f"amplitude: expected 2 or more whole height steps of {scan.dz:g} Å, got {amplitude:g} Å"
            )
        scan = dataclasses.replace(scan, n_oscillation=n)
    if "amplitude" in parameters or "height" in parameters:
        z_top = round(height + scan.dz * (scan.n_slices - 1 + (scan.n_oscillation - 1) / 2), 9)
    return Variation(parameters, scan, tip, z_top)
