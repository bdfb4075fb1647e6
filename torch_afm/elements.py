"""Element data: symbols, covalent radii, the Lennard-Jones table of the Probe Particle Model, and the
classes a graph model predicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from ase.data import atomic_numbers as _NUMBERS
from ase.data import chemical_symbols as _SYMBOLS
from ase.data import covalent_radii as _RADII
from torch import Tensor

from torch_afm.units import KCAL_PER_MOL
from torch_afm.utils import InputError

#: Radius R [Å] and well depth ε [eV] of the Probe Particle Model (Hapala et al., PRB 90, 085421 (2014) and
#: its later releases): E = ε[(R/r)¹² − 2(R/r)⁶] with R = R_i + R_p and ε = √(ε_i ε_p).
_LJ_PPM = {
    "H": (1.487, 0.000681),
    "C": (1.908, 0.003729),
    "N": (1.78, 0.007372),
    "O": (1.6612, 0.009106),
    "F": (1.75, 0.002645),
    "Si": (1.9, 0.02549),
    "P": (2.1, 0.008673),
    "S": (2.0, 0.010841),
    "Cl": (1.948, 0.011491),
    "Br": (2.22, 0.013876),
    "Xe": (2.1815, 0.024344),
}

#: Universal Force Field (Rappé et al., JACS 114, 10024 (1992), table I): distance x [Å] and depth D
#: [kcal/mol] of the pair of like atoms; R = x/2, ε = D.
_LJ_UFF = {
    "I": (4.500, 0.339),
    "Na": (2.983, 0.030),
    "K": (3.812, 0.035),
    "Cu": (3.495, 0.005),
    "Ag": (3.148, 0.036),
    "Au": (3.293, 0.039),
}

LJ_TABLE: dict[str, tuple[float, float]] = _LJ_PPM | {
    s: (x / 2, d * KCAL_PER_MOL) for s, (x, d) in _LJ_UFF.items()
}

#: The ten elements of the thesis' molecules (table 2.1).
ORGANIC = ("H", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Br")


def atomic_number(element: str | int) -> int:
    """Atomic number of a symbol (or of a number, checked). Raises :class:`InputError` for an unknown one."""
    if isinstance(element, str) and element.capitalize() in _NUMBERS:
        element = _NUMBERS[element.capitalize()]
    if isinstance(element, str) or not 1 <= int(element) < len(_SYMBOLS):
        raise InputError(f"element: expected a chemical symbol or atomic number 1-118, got {element!r}")
    return int(element)


def symbol(z: int) -> str:
    """Chemical symbol of atomic number ``z``."""
    return str(_SYMBOLS[atomic_number(int(z))])


def covalent_radius(z: int) -> float:
    """Covalent radius in Å (Cordero et al., Dalton Trans. 2832 (2008))."""
    return float(_RADII[atomic_number(int(z))])


def lj_parameters(z: Sequence[int] | np.ndarray | Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Lennard-Jones radius R [Å] and depth ε [eV] of each atomic number.

    Raises:
        InputError: for an element that the table lacks, naming it.
    """
    numbers = np.asarray(z, dtype=np.int64).reshape(-1)
    missing = sorted({int(n) for n in numbers if not (0 < n < len(_SYMBOLS)) or _SYMBOLS[n] not in LJ_TABLE})
    if missing:
        names = ", ".join(_SYMBOLS[n] if 0 < n < len(_SYMBOLS) else f"Z={n}" for n in missing)
        raise InputError(f"z: no Lennard-Jones parameters for {names}; known elements: {', '.join(LJ_TABLE)}")
    table = np.array([LJ_TABLE[_SYMBOLS[n]] for n in numbers], dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@dataclass(frozen=True)
class AtomClasses:
    """The classes a generator predicts: 0 is *stop*, class ``i`` ≥ 1 is ``groups[i - 1]``.

    The first element of a group represents it wherever a class has to become an atom again (in the stack of
    a graph so far, and in an exported structure).
    """

    groups: tuple[tuple[str, ...], ...] = (("H",), ORGANIC[1:])
    _lookup: Tensor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        groups = tuple(tuple(g) for g in self.groups)
        flat = [s for g in groups for s in g]
        if not flat or any(not g for g in groups) or len(set(flat)) != len(flat):
            raise InputError(f"groups: expected disjoint, non-empty groups of symbols, got {self.groups!r}")
        lookup = torch.zeros(len(_SYMBOLS), dtype=torch.long)
        for i, group in enumerate(groups, start=1):
            for s in group:
                lookup[atomic_number(s)] = i
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "_lookup", lookup)

    def __len__(self) -> int:
        return len(self.groups) + 1

    @property
    def names(self) -> tuple[str, ...]:
        """Short names, ``stop`` first."""
        return (
            "stop",
            *(g[0] if len(g) == 1 else "/".join(g) if len(g) < 4 else "heavy" for g in self.groups),
        )

    def of(self, z: Tensor) -> Tensor:
        """Class of each atomic number. Raises :class:`InputError` for an element in no group."""
        classes = self._lookup.to(z.device)[z]
        if bool((classes == 0).any()):
            missing = ", ".join(sorted({symbol(int(n)) for n in z[classes == 0].unique()}))
            raise InputError(f"z: {missing} is in none of the classes {self.names[1:]}")
        return classes

    def representative(self, classes: Tensor) -> Tensor:
        """Atomic number that stands for each class ≥ 1."""
        table = torch.tensor([0] + [atomic_number(g[0]) for g in self.groups], device=classes.device)
        return table[classes]
