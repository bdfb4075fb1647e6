"""Lennard-Jones parameters of atoms and probes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from torch_afm.config.tip import Tip, check_lj, check_symbol
from torch_afm.elements import LJ_TABLE, atomic_number, lj_parameters
from torch_afm.utils import InputError


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
            check_symbol("lennard_jones", element)
            check_lj(f"lennard_jones: {element}", radius, depth)
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
