"""The tip: probe particle, charges and springs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from torch_afm.elements import atomic_number, symbol
from torch_afm.utils import InputError

#: N/m: a bond of this stiffness changes an image by less than 3e-4 of its standard deviation from that of a
#: rigid one, and float32 resolves it.
MAX_RADIAL_STIFFNESS = 3000.0


@dataclass(frozen=True)
class Tip:
    """Probe particle and the springs that hold it below its anchor.

    Tip force with ``d`` = probe − anchor (Hapala et al., PRB 90, 085421 (2014)):
    ``F = −k∘(d − d0) − k_r (|d| − R0) d/|d|``, ``d0 = (x0, y0, −√(R0² − x0² − y0²))``.

    Args:
        probe: element whose Lennard-Jones parameters the probe has (O for a CO tip).
        charges: point charges in e on the vertical axis of the probe.
        charge_heights: their heights above the probe in Å.
        stiffness: lateral and vertical stiffness ``k`` in N/m.
        radial_stiffness: ``k_r`` in N/m, 3000 at most, which is as good as rigid.
        bond_length: ``R0``, anchor to probe, in Å.
        tilt: equilibrium offset ``(x0, y0)`` of the probe in Å.
        radius: Lennard-Jones radius R of the probe in Å; that of ``probe`` where ``None``.
        depth: Lennard-Jones depth ε of the probe in eV; that of ``probe`` where ``None``.
    """

    probe: str = "O"
    charges: tuple[float, ...] = (-10.0, 20.0, -10.0)
    charge_heights: tuple[float, ...] = (0.1, 0.0, -0.1)
    stiffness: tuple[float, float, float] = (0.25, 0.25, 0.0)
    radial_stiffness: float = 30.0
    bond_length: float = 4.0
    tilt: tuple[float, float] = (0.0, 0.0)
    radius: float | None = None
    depth: float | None = None

    def __post_init__(self) -> None:
        check_symbol("probe", self.probe)
        numbers = (*self.charges, *self.charge_heights, *self.stiffness, self.radial_stiffness, *self.tilt)
        if not all(math.isfinite(v) for v in (*numbers, self.bond_length)):
            raise InputError("tip: expected finite numbers, got a NaN or an infinity")
        if len(self.charges) != len(self.charge_heights):
            raise InputError(
                f"charges, charge_heights: expected equal lengths, "
                f"got {len(self.charges)} and {len(self.charge_heights)}"
            )
        if min(self.stiffness) < 0 or self.bond_length <= 0:
            raise InputError("stiffness, bond_length: expected positive springs and length")
        if not 0 < self.radial_stiffness <= MAX_RADIAL_STIFFNESS:
            limit = f"more than 0 and at most {MAX_RADIAL_STIFFNESS:g} N/m, as good as rigid"
            raise InputError(f"radial_stiffness: expected {limit}, got {self.radial_stiffness}")
        if math.hypot(*self.tilt) >= self.bond_length:
            raise InputError(f"tilt: expected less than bond_length {self.bond_length} Å, got {self.tilt}")
        check_lj("radius, depth", self.radius, self.depth)

    @classmethod
    def preset(cls, name: str) -> Tip:
        """A named tip.

        * ``CO``: an O probe with the axial quadrupole −10, 20, −10 e at 0.1, 0, −0.1 Å; the defaults.
        * ``Xe``: a Xe probe with the charge +0.3 e, as fitted to images of PTCDA on Ag(111) (Hapala et al.,
          Nat. Commun. 7, 11560 (2016)), 0.25 N/m.
        * ``Cl``: a Cl probe with the charge −0.3 e, 0.5 N/m.

        Elements, charges and stiffnesses (30 N/m radial) are those of ppafm's presets (Oinonen et al., CPC
        305, 109341 (2024); version 0.4); the length of the bond is everywhere that of the CO tip here, 4 Å
        against 3 Å there, so that one scan brings every probe equally near.
        """
        if name not in TIP_PRESETS:
            raise InputError(f"preset: expected one of {', '.join(TIP_PRESETS)}, got {name!r}")
        return cls(**TIP_PRESETS[name])

    @property
    def equilibrium(self) -> tuple[float, float, float]:
        """``d0`` in Å."""
        x0, y0 = self.tilt
        return x0, y0, -math.sqrt(self.bond_length**2 - x0**2 - y0**2)


#: Arguments of the named tips.
TIP_PRESETS: dict[str, dict[str, Any]] = {
    "CO": {},
    "Xe": {"probe": "Xe", "charges": (0.3,), "charge_heights": (0.0,)},
    "Cl": {"probe": "Cl", "charges": (-0.3,), "charge_heights": (0.0,), "stiffness": (0.5, 0.5, 0.0)},
}


def check_symbol(name: str, element: str) -> None:
    """Refuse what is no chemical symbol, and ``CO``, which would be read as cobalt."""
    if symbol(atomic_number(element)) != element:
        raise InputError(f"{name}: expected a chemical symbol, got {element!r}")


def check_lj(name: str, radius: float | None, depth: float | None) -> None:
    """Refuse a radius [Å] or depth [eV] that no atom has; ``None`` stands for none given."""
    if not (radius is None or 0 < radius < math.inf) or not (depth is None or 0 <= depth < math.inf):
        raise InputError(f"{name}: expected R > 0 Å and ε ≥ 0 eV, got {radius} and {depth}")
