"""The tip, its charges and springs, and the Lennard-Jones parameters of atoms and probes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from torch_afm.elements import LJ_TABLE, atomic_number, lj_parameters, symbol
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
        _check_symbol("probe", self.probe)
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
        _check_lj("radius, depth", self.radius, self.depth)

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


@dataclass(frozen=True)
class ForceField:
    """Lennard-Jones parameters: those of :data:`torch_afm.elements.LJ_TABLE`, and what replaces them.

    The pair energy is ``E = ε[(R/r)¹² − 2(R/r)⁶]`` with ``R = R_i + R_p`` and ``ε = √(ε_i ε_p)``.

    Args:
        lennard_jones: ``(element, R, ε)`` of the elements that differ from the table or that it lacks, R in Å
            and ε in eV; kept in the order of atomic numbers.
    """

    lennard_jones: tuple[tuple[str, float, float], ...] = ()

    def __post_init__(self) -> None:
        entries: dict[int, tuple[str, float, float]] = {}
        for entry in self.lennard_jones:
            try:
                element, radius, depth = entry[0], *map(float, entry[1:])
            except (TypeError, ValueError, IndexError):
                raise InputError(f"lennard_jones: expected (element, R, ε), got {entry!r}") from None
            _check_symbol("lennard_jones", element)
            _check_lj(f"lennard_jones: {element}", radius, depth)
            z = atomic_number(element)
            if z in entries:
                raise InputError(f"lennard_jones: expected each element once, got {element} twice")
            entries[z] = element, radius, depth
        object.__setattr__(self, "lennard_jones", tuple(entries[z] for z in sorted(entries)))

    @property
    def table(self) -> dict[str, tuple[float, float]]:
        """R [Å] and ε [eV] by element."""
        return LJ_TABLE | {element: (radius, depth) for element, radius, depth in self.lennard_jones}

    def lj_parameters(self, z: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """R [Å] and ε [eV] of each atom, as :func:`torch_afm.elements.lj_parameters`."""
        return lj_parameters(z, self.table)

    def probe_parameters(self, tips: Sequence[Tip]) -> tuple[np.ndarray, np.ndarray]:
        """R [Å] and ε [eV] of the probe of each tip: the tip's own where it has them, else its element's.

        Raises:
            InputError: for an element without parameters, unless the tip has both of its own.
        """
        values = np.array([(t.radius, t.depth) for t in tips], dtype=np.float64).reshape(-1, 2)
        lacking = np.flatnonzero(np.isnan(values).any(axis=1))
        table = self.table
        for element in (tips[i].probe for i in lacking.tolist()):
            if element not in table:
                raise InputError(
                    f"probe: no Lennard-Jones parameters for {element}; give the tip's radius and depth, or "
                    f"one of {', '.join(table)}"
                )
        of_element = self.lj_parameters([atomic_number(tips[i].probe) for i in lacking.tolist()])
        values[lacking] = np.where(np.isnan(values[lacking]), np.stack(of_element, axis=1), values[lacking])
        return values[:, 0], values[:, 1]


def _check_symbol(name: str, element: str) -> None:
    """Refuse what is no chemical symbol, and ``CO``, which would be read as cobalt."""
    if symbol(atomic_number(element)) != element:
        raise InputError(f"{name}: expected a chemical symbol, got {element!r}")


def _check_lj(name: str, radius: float | None, depth: float | None) -> None:
    """Refuse a radius [Å] or depth [eV] that no atom has; ``None`` stands for none given."""
    if not (radius is None or 0 < radius < math.inf) or not (depth is None or 0 <= depth < math.inf):
        raise InputError(f"{name}: expected R > 0 Å and ε ≥ 0 eV, got {radius} and {depth}")
