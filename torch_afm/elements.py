"""Element data: symbols, covalent radii and the bonds they allow, valences, the Lennard-Jones table of the
Probe Particle Model, and the classes a graph model predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from ase.data import atomic_numbers as _NUMBERS
from ase.data import chemical_symbols as _SYMBOLS
from ase.data import covalent_radii as _RADII
from numpy.typing import ArrayLike

from torch_afm.units import KCAL_PER_MOL
from torch_afm.utils import InputError

if TYPE_CHECKING:
    from torch import Tensor

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

#: Universal Force Field (Rappé et al., JACS 114, 10024 (1992), table I), the elements of metal, halide, oxide
#: and semiconductor surfaces and of noble gas layers: distance x [Å] and depth D [kcal/mol] of the pair of
#: like atoms; R = x/2, ε = D.
_LJ_UFF = {
    "Li": (2.451, 0.025),
    "B": (4.083, 0.180),
    "Na": (2.983, 0.030),
    "Mg": (3.021, 0.111),
    "Al": (4.499, 0.505),
    "Ar": (3.868, 0.185),
    "K": (3.812, 0.035),
    "Ca": (3.399, 0.238),
    "Ti": (3.175, 0.017),
    "V": (3.144, 0.016),
    "Cr": (3.023, 0.015),
    "Mn": (2.961, 0.013),
    "Fe": (2.912, 0.013),
    "Co": (2.872, 0.014),
    "Ni": (2.834, 0.015),
    "Cu": (3.495, 0.005),
    "Zn": (2.763, 0.124),
    "Ga": (4.383, 0.415),
    "Ge": (4.280, 0.379),
    "As": (4.230, 0.309),
    "Se": (4.205, 0.291),
    "Kr": (4.141, 0.220),
    "Rb": (4.114, 0.040),
    "Sr": (3.641, 0.235),
    "Mo": (3.052, 0.056),
    "Ru": (2.963, 0.056),
    "Rh": (2.929, 0.053),
    "Pd": (2.899, 0.048),
    "Ag": (3.148, 0.036),
    "Cd": (2.848, 0.228),
    "In": (4.463, 0.599),
    "Sn": (4.392, 0.567),
    "Sb": (4.420, 0.449),
    "Te": (4.470, 0.398),
    "I": (4.500, 0.339),
    "Cs": (4.517, 0.045),
    "Ba": (3.703, 0.364),
    "Ce": (3.556, 0.013),
    "Re": (2.954, 0.066),
    "Ir": (2.840, 0.073),
    "Pt": (2.754, 0.080),
    "Au": (3.293, 0.039),
    "Hg": (2.705, 0.385),
    "Tl": (4.347, 0.680),
    "Pb": (4.297, 0.663),
    "Bi": (4.370, 0.518),
}

#: Lennard-Jones radius R in Å and depth ε in eV by element: the Probe Particle Model's own for those that it
#: has, half the distance and the energy of the Universal Force Field for the others.
LJ_TABLE: dict[str, tuple[float, float]] = _LJ_PPM | {
    s: (x / 2, d * KCAL_PER_MOL) for s, (x, d) in _LJ_UFF.items()
}

#: The ten elements of the molecules of the graph-AFM thesis, Aalto University (see CITATION.cff), table 2.1.
ORGANIC = ("H", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Br")

#: These and iodine, which many molecules imaged on metals carry.
ORGANIC_AND_IODINE = (*ORGANIC, "I")

#: Covalent radii in Å (Cordero et al., Dalton Trans. 2832 (2008)) by atomic number.
COVALENT_RADII: np.ndarray = _RADII

#: How much longer than the sum of two covalent radii a bond may be, in Å.
BOND_TOLERANCE = 0.4

#: Largest sum of bond orders (and so of bonded neighbors) of an element in a molecule: of its neutral forms
#: and, for B and N, of borates and ammonium. An element that is not listed takes any number.
MAX_VALENCE: dict[str, int] = {
    "H": 1,
    "B": 4,
    "C": 4,
    "N": 4,
    "O": 2,
    "F": 1,
    "Si": 4,
    "P": 5,
    "S": 6,
    "Cl": 1,
    "Se": 6,
    "Br": 1,
    "I": 1,
}


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
    """Covalent radius in Å (:data:`COVALENT_RADII`)."""
    return float(COVALENT_RADII[atomic_number(int(z))])


def max_bond_length(z: ArrayLike, other: ArrayLike, tolerance: float = BOND_TOLERANCE) -> np.ndarray:
    r"""Length in Å up to which atoms count as bonded: the sum of their covalent radii and a tolerance,
    :math:`r_i + r_j + t`, the rule of crystallographic databases (Allen et al., J. Chem. Inf. Comput. Sci.
    31, 187 (1991)).

    Args:
        z: atomic numbers.
        other: those of the atoms at the other end; arrays broadcast.
        tolerance: :math:`t` in Å.
    """
    ends = COVALENT_RADII[np.asarray(z, dtype=int)], COVALENT_RADII[np.asarray(other, dtype=int)]
    return np.asarray(ends[0] + ends[1] + tolerance)


def max_valence(z: int) -> int | None:
    """Largest valence of atomic number ``z`` (:data:`MAX_VALENCE`), ``None`` where there is no limit."""
    return MAX_VALENCE.get(symbol(z))


def lj_parameters(
    z: ArrayLike, table: Mapping[str, tuple[float, float]] = LJ_TABLE
) -> tuple[np.ndarray, np.ndarray]:
    """Lennard-Jones radius R [Å] and depth ε [eV] of each atomic number.

    Args:
        z: atomic numbers.
        table: R and ε by symbol; :attr:`torch_afm.config.ForceField.table` where a user changed some.

    Raises:
        InputError: for an element that the table lacks, naming it.
    """
    numbers = np.asarray(z, dtype=np.int64).reshape(-1)
    distinct, index = np.unique(numbers, return_inverse=True)
    missing = [n for n in distinct.tolist() if not (0 < n < len(_SYMBOLS)) or _SYMBOLS[n] not in table]
    if missing:
        names = ", ".join(_SYMBOLS[n] if 0 < n < len(_SYMBOLS) else f"Z={n}" for n in missing)
        raise InputError(f"z: no Lennard-Jones parameters for {names}; known elements: {', '.join(table)}")
    values = np.array([table[_SYMBOLS[n]] for n in distinct], dtype=np.float64).reshape(-1, 2)[index]
    return values[:, 0], values[:, 1]


@dataclass(frozen=True)
class AtomClasses:
    """The classes a generator predicts: 0 is *stop*, class ``i`` ≥ 1 is ``groups[i - 1]``.

    The first element of a group represents it wherever a class has to become an atom again (in the stack of
    a graph so far, and in an exported structure).
    """

    groups: tuple[tuple[str, ...], ...] = (("H",), ORGANIC[1:])

    def __post_init__(self) -> None:
        groups = tuple(tuple(g) for g in self.groups)
        flat = [s for g in groups for s in g]
        if not flat or any(not g for g in groups) or len(set(flat)) != len(flat):
            raise InputError(f"groups: expected disjoint, non-empty groups of symbols, got {self.groups!r}")
        for s in flat:
            atomic_number(s)
        object.__setattr__(self, "groups", groups)

    @cached_property
    def _lookup(self) -> Tensor:
        """Class of each atomic number, 0 for none."""
        import torch  # not at the top: settings are read and shown without it

        lookup = torch.zeros(len(_SYMBOLS), dtype=torch.long)
        for i, group in enumerate(self.groups, start=1):
            for s in group:
                lookup[atomic_number(s)] = i
        return lookup

    def __len__(self) -> int:
        return len(self.groups) + 1

    @property
    def names(self) -> tuple[str, ...]:
        """Short names, ``stop`` first."""
        return (
            "stop",
            *(g[0] if len(g) == 1 else "/".join(g) if len(g) < 4 else "heavy" for g in self.groups),
        )

    def index_of(self, z: Tensor) -> Tensor:
        """Class of each atomic number. Raises :class:`InputError` for an element in no group."""
        classes = self._lookup.to(z.device)[z]
        if bool((classes == 0).any()):
            missing = ", ".join(sorted({symbol(int(n)) for n in z[classes == 0].unique()}))
            raise InputError(f"z: {missing} is in none of the classes {self.names[1:]}")
        return classes

    def has(self, z: Tensor) -> Tensor:
        """Whether each atomic number is in a class."""
        return self._lookup.to(z.device)[z] > 0

    def representative(self, classes: Tensor) -> Tensor:
        """Atomic number that stands for each class ≥ 1."""
        return classes.new_tensor([0] + [atomic_number(g[0]) for g in self.groups])[classes]
