"""Bond lengths and valence angles, of any elements."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from torch_afm.metrics.structure.geometry import angle
from torch_afm.metrics.structure.neighbors import Pairs


def bond_lengths(bonds: Pairs, z: np.ndarray, elements: Sequence[int] | None = None) -> np.ndarray:
    """Lengths of covalent bonds in Å, each bond once.

    Args:
        bonds: covalent bonds, each from both ends.
        z: atomic numbers.
        elements: of the two ends; ``None`` takes all bonds.

    Shapes:
        z ``[N]`` -> ``[B]``.
    """
    first, second = z[bonds.center], z[bonds.other]
    if elements is not None:
        keep = (first == elements[0]) & (second == elements[1])
        if elements[0] != elements[1]:
            return bonds.distance[keep]
        bonds = bonds.keep(keep)
    return bonds.distance[once(bonds)]


def valence_angles(bonds: Pairs, z: np.ndarray, elements: Sequence[int] | None = None) -> np.ndarray:
    """Angles between every two bonds of an atom in degrees.

    Args:
        bonds: covalent bonds, each from both ends.
        z: atomic numbers.
        elements: of end, apex and end; ``None`` takes all angles.

    Shapes:
        z ``[N]`` -> ``[A]``.
    """
    p, q = bonds.twos()
    if elements is not None:
        low, apex, high = elements
        ends = z[bonds.other[p]], z[bonds.other[q]]
        keep = ((ends[0] == low) & (ends[1] == high)) | ((ends[0] == high) & (ends[1] == low))
        keep &= z[bonds.center[p]] == apex
        p, q = p[keep], q[keep]
    return angle(bonds.vector[p], bonds.vector[q])


def once(pairs: Pairs, centers: np.ndarray | None = None) -> np.ndarray:
    """Rows that count each pair once, of pairs listed from both ends: of the two, the one with the lower
    index at its centre. An atom and its own image are listed with opposite vectors; the one kept points up
    the first axis along which it points at all. Pairs whose other end is no centre are listed once already.

    Args:
        pairs: the pairs.
        centers: index of each centre; ``None`` if all atoms are centres.

    Shapes:
        -> rows ``[R]`` of bool.
    """
    center = pairs.center if centers is None else centers[pairs.center]
    lone = np.zeros(len(center), bool) if centers is None else ~np.isin(pairs.other, centers)
    signs = np.where(np.abs(pairs.vector) > 1e-9, np.sign(pairs.vector), 0) @ [4, 2, 1]
    return lone | (center < pairs.other) | ((center == pairs.other) & (signs > 0))
