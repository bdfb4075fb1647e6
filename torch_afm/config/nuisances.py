"""Ranges of what measured scans have that nominal simulated ones have not."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch_afm.config.tip import TIP_PRESETS
from torch_afm.utils import InputError

#: Smallest and largest value of ranges and numbers, and their unit.
_LIMITS: dict[str, tuple[float, float, str]] = {
    "scale": (0.0, 0.5, ""),
    "shear": (0.0, 0.3, ""),
    "depth": (0.0, 1.0, "eV"),
    "stiffness": (1e-3, 1e3, "N/m"),
    "quadrupole": (-10.0, 10.0, ""),
    "tilt": (0.0, 2.0, "Å"),
    "charge": (0.0, 10.0, ""),
    "neutral": (0.0, 1.0, ""),
    "height": (-1.5, 5.0, "Å"),
    "amplitude": (0.2, 20.0, "Å"),
    "amplitude_known": (0.0, 1.0, ""),
    "slices": (1, 100, "slices"),
    "step": (0.01, 2.0, "Å"),
    "uneven": (0.0, 0.9, ""),
    "span": (0.0, 10.0, "Å"),
    "window": (2.0, 1000.0, "Å"),
    "double_tip": (0.0, 1.0, ""),
    "asymmetric_tip": (0.0, 1.0, ""),
    "drift": (0.0, 2.0, "Å"),
    "creep": (0.0, 3.0, "Å"),
    "jitter": (0.0, 2.0, "Å"),
    "tip_change": (0.0, 1.0, ""),
    "background": (0.0, 10.0, ""),
    "noise": (0.0, 10.0, ""),
    "rows": (0.0, 10.0, ""),
    "inverted": (0.0, 1.0, ""),
}

#: Fields that are (low, high).
_RANGES = (
    "depth",
    "stiffness",
    "quadrupole",
    "charge",
    "height",
    "amplitude",
    "slices",
    "step",
    "window",
    "noise",
)

#: Those that are drawn uniformly in their logarithm.
_LOGARITHMIC = ("stiffness", "amplitude", "step", "window", "noise")


@dataclass(frozen=True)
class NuisanceConfig:
    """What :class:`torch_afm.datasets.Nuisances` draws from for a reference stack. Ranges are ``(low,
    high)``, both included.

    Args:
        scale: largest relative error of the scanner's scale, along x and y each.
        shear: largest shear of the scanner.
        probes: weights of the probes CO, Xe and Cl, tips of :meth:`torch_afm.config.Tip.preset`.
        depth: Lennard-Jones depth in eV of the probe of a CO tip.
        stiffness: lateral stiffness of the probe in N/m, uniform in its logarithm.
        quadrupole: factors on the charges of the tip.
        tilt: largest offset in Å of the free probe.
        charge: factors on the charges and dipoles of the sample.
        neutral: share of the samples without any.
        height: change in Å of the lower turning point of the nearest slice, against the nominal one.
        amplitude: of the oscillation, peak to peak, in Å, uniform in its logarithm.
        amplitude_known: share of the scans whose file states it.
        slices: number of slices.
        step: height step in Å from slice to slice, uniform in its logarithm.
        uneven: largest relative deviation of the steps of a stack from their mean.
        span: largest distance in Å of the farthest slice from the nearest; farther ones are not drawn.
        window: edges in Å of what was measured, along x and y each, uniform in their logarithm.
        double_tip: share of the scans with a second apex (:class:`torch_afm.transforms.DoubleTip`).
        asymmetric_tip: share of those with an asymmetric one (:class:`torch_afm.transforms.TipAsymmetry`).
        drift: largest drift in Å a slice.
        creep: largest creep in Å at the start of a slice.
        jitter: largest shift in Å of a slice from its neighbor.
        tip_change: share of the scans in which the tip changes in the middle of a slice.
        background: largest plane below a slice, in standard deviations of it.
        noise: standard deviation of white noise, the same in all slices, in standard deviations of the
            nearest slice; uniform in its logarithm.
        rows: largest standard deviation of the offsets of rows, likewise.
        inverted: share of the scans of the opposite sign.

    Raises:
        InputError: for what cannot be drawn, naming the argument.
    """

    scale: float = 0.15
    shear: float = 0.03
    probes: tuple[float, float, float] = (0.8, 0.1, 0.1)
    depth: tuple[float, float] = (0.005, 0.02)
    stiffness: tuple[float, float] = (0.15, 1.0)
    quadrupole: tuple[float, float] = (0.4, 1.2)
    tilt: float = 0.6
    charge: tuple[float, float] = (0.0, 1.3)
    neutral: float = 1 / 3
    height: tuple[float, float] = (-1.0, 0.5)
    amplitude: tuple[float, float] = (0.4, 4.0)
    amplitude_known: float = 0.7
    slices: tuple[int, int] = (1, 20)
    step: tuple[float, float] = (0.05, 0.4)
    uneven: float = 0.3
    span: float = 3.0
    window: tuple[float, float] = (8.0, 40.0)
    double_tip: float = 0.2
    asymmetric_tip: float = 0.2
    drift: float = 0.1
    creep: float = 0.5
    jitter: float = 0.15
    tip_change: float = 0.1
    background: float = 1.0
    noise: tuple[float, float] = (0.003, 0.3)
    rows: float = 0.1
    inverted: float = 0.03

    def __post_init__(self) -> None:
        for name, (low, high, unit) in _LIMITS.items():
            value = getattr(self, name)
            values = value if name in _RANGES else (value,)
            whole = all(isinstance(v, int) for v in values) or not isinstance(low, int)
            if (
                (name in _RANGES and len(values) != 2)
                or not whole
                or not low <= values[0] <= values[-1] <= high
            ):
                expected = f"{low:g} to {high:g}" + (f" {unit}" if unit else "")
                expected = f"(low, high) within {expected}" if name in _RANGES else expected
                raise InputError(f"{name}: expected {expected}, got {value}")
            if name in _LOGARITHMIC and not values[0] > 0:
                raise InputError(f"{name}: expected numbers above 0, drawn in their logarithm, got {value}")
        if (
            len(self.probes) != len(TIP_PRESETS)
            or min(self.probes) < 0
            or not 0 < sum(self.probes) < math.inf
        ):
            raise InputError(
                f"probes: expected weights of {', '.join(TIP_PRESETS)}, not negative and not all zero, got "
                f"{self.probes}"
            )
