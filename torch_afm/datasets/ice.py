"""Proton disorder that obeys the ice rules."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from torch_afm.utils import InputError, check_shape


def donors(bonds: ArrayLike, n: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    r"""Which end of each bond between neighboring molecules gives the hydrogen, at random, so that every
    molecule gives and takes as evenly as it can,

    .. math::
        |\mathrm{given}_v - \mathrm{taken}_v| \leq 1.

    With at most four neighbors none gives more than two, and, of those with three or four, none gives or
    takes fewer than one: the ice rules (Bernal and Fowler, J. Chem. Phys. 1, 515 (1933)), as an orientation
    along random Eulerian trails: each walks along bonds that none has walked before until there is no way
    on; those that begin at a molecule with an odd number of neighbors come first. Not all orientations are
    equally likely.

    Args:
        bonds: pairs of neighbors.
        n: number of molecules.
        rng: what draws.

    Shapes:
        bonds ``[E, 2]``, result ``[E]``: true where the first of a pair gives.

    Raises:
        InputError: for a molecule with more than four neighbors, or a number that is none of a molecule.
    """
    bonds = np.asarray(bonds, dtype=np.int64).reshape(-1, 2)
    check_shape("bonds", bonds, (None, 2))
    if len(bonds) and not 0 <= bonds.min() <= bonds.max() < n:
        raise InputError(f"bonds: expected numbers from 0 to {n - 1}, got {bonds.min()} to {bonds.max()}")
    degree = np.bincount(bonds.ravel(), minlength=n)
    if degree.max(initial=0) > 4:
        raise InputError(f"bonds: expected at most 4 neighbors of each molecule, got {degree.max()}")
    at: list[list[int]] = [[] for _ in range(n)]
    for bond in rng.permutation(len(bonds)).tolist():
        at[bonds[bond, 0]].append(bond)
        at[bonds[bond, 1]].append(bond)
    gives = np.zeros(len(bonds), dtype=bool)
    walked = np.zeros(len(bonds), dtype=bool)
    order = rng.permutation(n)
    odd = order[degree[order] % 2 == 1].tolist()
    for number, start in enumerate([*odd, *order.tolist()]):
        here = start
        # An odd molecule that a trail has ended at is done with, until closed trails are walked.
        if number < len(odd) and len(_left(at[start], walked)) % 2 == 0:
            continue
        forward = bool(rng.integers(2))
        while ways := _left(at[here], walked):
            bond = ways[0]
            walked[bond] = True
            first = bonds[bond, 0] == here
            gives[bond] = first == forward
            here = int(bonds[bond, 1] if first else bonds[bond, 0])
    return gives


def _left(bonds: list[int], walked: np.ndarray) -> list[int]:
    return [bond for bond in bonds if not walked[bond]]
