"""Splits of a data set into training, validation and test molecules."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from torch_afm.utils import InputError


def split_by_molecule(
    n: int, fractions: Sequence[float] = (0.75, 0.095, 0.155), seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training, validation and test molecules: a seeded permutation, cut where the fractions say.

    All rotations of a molecule belong to the set of the molecule, so nothing of a test molecule is seen in
    training. The default is close to the shares of the thesis: 4,728, 600 and 1,000 of 6,328.

    Args:
        n: number of molecules.
        fractions: share of each set, summing to 1.
        seed: of the permutation.

    Shapes:
        three sorted index arrays, disjoint, ``n`` indices together.

    Raises:
        InputError: for a negative ``n``, or fractions that are not three shares of 1.
    """
    if n < 0:
        raise InputError(f"n: expected a number of molecules, 0 or more, got {n}")
    if len(fractions) != 3 or min(fractions) < 0 or not math.isclose(sum(fractions), 1, abs_tol=1e-6):
        raise InputError(f"fractions: expected three shares that sum to 1, got {tuple(fractions)}")
    permutation = np.random.default_rng(seed).permutation(n)
    first, second = round(fractions[0] * n), round((fractions[0] + fractions[1]) * n)
    train, validation, test = np.split(permutation, [first, second])
    return np.sort(train), np.sort(validation), np.sort(test)
