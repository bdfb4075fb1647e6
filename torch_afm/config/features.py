"""What there is to compute, with labels and units for plots and ranges for distances."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from torch_afm.elements import atomic_number
from torch_afm.utils import InputError


class Feature(NamedTuple):
    """One feature: a number, or a pair of numbers for a joint one.

    Args:
        title: what it is.
        labels: axis label of each number.
        units: unit of each number, empty for none.
        ranges: low and high value of each number that normalisation maps to 0 and 1.
    """

    title: str
    labels: tuple[str, ...]
    units: tuple[str, ...]
    ranges: tuple[tuple[float, float], ...]

    def normalize(self, values: np.ndarray) -> np.ndarray:
        """Values on the fixed ranges, ``(x - low) / (high - low)``; not clipped.

        Shapes:
            values ``[N]`` for a number, ``[N, 2]`` for a pair -> the same.
        """
        low, high = np.array(self.ranges).T
        if len(low) == 1:
            low, high = low[0], high[0]
        return (values - low) / (high - low)


class _Features(dict[str, Feature]):
    """The table; names of the form ``pair:A-B``, ``bond:A-B`` and ``angle:A-B-C`` are made when asked for."""

    def __missing__(self, name: str) -> Feature:
        kind, elements = split_name(name)
        label = "-".join(elements)
        if kind == "angle":
            return Feature(f"valence angle {label}", (label,), ("°",), ((0.0, 180.0),))
        title = f"distance {label}" if kind == "pair" else f"bond length {label}"
        scale = 3.5 if kind == "pair" else 1.5
        return Feature(title, (f"d({label})",), ("Å",), ((0.0, scale),))


def split_name(name: str) -> tuple[str, list[str]]:
    """``"bond:C-H"`` as ``("bond", ["C", "H"])``.

    Raises:
        InputError: for a name that is no feature.
    """
    kind, _, rest = str(name).partition(":")
    elements = rest.split("-")
    if len(elements) != {"pair": 2, "bond": 2, "angle": 3}.get(kind):
        known = ", ".join(FEATURES)
        raise InputError(
            f"names: expected features out of {known}, pair:A-B, bond:A-B or angle:A-B-C, got {name!r}"
        )
    for element in elements:
        atomic_number(element)
    return kind, elements


def _angle(title: str, label: str) -> Feature:
    return Feature(title, (label,), ("°",), ((0.0, 180.0),))


#: Every feature by name. Distances are normalized by 3.5 Å between molecules, 1.25 Å for O-H and 1.5 Å for
#: other bonds, angles by 180°, hydrogen bonds by (d / 3.5, (angle - 120) / 60); orders are left as they are.
#: Besides these names, ``pair:A-B``, ``bond:A-B`` and ``angle:A-B-C`` (B at the apex) select elements.
FEATURES: dict[str, Feature] = _Features(
    d_OO=Feature("O-O distance", ("d_OO",), ("Å",), ((0.0, 3.5),)),
    d_OH=Feature("O-H bond length", ("d_OH",), ("Å",), ((0.0, 1.25),)),
    HOH=_angle("H-O-H angle", "H-O-H"),
    OHO=_angle("O-H-O angle to the next acceptor", "O-H-O"),
    OOO=_angle("O-O-O angle between neighbours", "O-O-O"),
    theta_ZOH=_angle("angle of free O-H bonds with the surface normal", "θ_ZOH"),
    hbond=Feature("hydrogen bonds", ("d_OO", "angle O-H-O"), ("Å", "°"), ((0.0, 3.5), (120.0, 180.0))),
    S_g=Feature("orientational tetrahedral order", ("S_g",), ("",), ((0.0, 1.0),)),
    S_k=Feature("translational tetrahedral order", ("S_k",), ("",), ((0.0, 1.0),)),
    order=Feature("tetrahedral orders", ("S_k", "S_g"), ("", ""), ((0.0, 1.0), (0.0, 1.0))),
    d5=Feature("distance of the fifth O neighbour", ("d5",), ("Å",), ((0.0, 3.5),)),
    LSI=Feature("local structure index", ("LSI",), ("Å²",), ((0.0, 1.0),)),
    bond_length=Feature("length of all covalent bonds", ("bond length",), ("Å",), ((0.0, 1.5),)),
    valence_angle=_angle("angle between covalent bonds of an atom", "valence angle"),
)
