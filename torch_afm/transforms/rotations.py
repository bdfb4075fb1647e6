"""Orientations in which a molecule shows an AFM the most."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from torch_afm.utils import InputError


def visibility_entropy(pos: ArrayLike, rotations: Rotation, beta: float = 1.0) -> NDArray[np.float64]:
    r"""How much of a molecule lies near its top, for each of several rotations:

    .. math::
        S = \sum_i \exp(-\beta (z_{\mathrm{top}} - z_i))

    (the thesis, Eq. 2.13, with the sign its text calls for: large when many atoms are visible).

    Args:
        pos: positions in Å.
        rotations: the rotations to judge.
        beta: decay in 1/Å.

    Shapes:
        pos ``[N, 3]``, result ``[len(rotations)]``.
    """
    # Only the third row of a rotation matrix decides the heights.
    z = np.asarray(pos, dtype=np.float64) @ rotations.as_matrix().reshape(-1, 3, 3)[:, 2, :].T
    return np.exp(-beta * (z.max(axis=0) - z)).sum(axis=0)


def best_rotations(
    pos: ArrayLike, n: int = 30, candidates: int = 500, seed: int = 0, beta: float = 1.0
) -> Rotation:
    """The ``n`` of ``candidates`` uniformly drawn rotations with the highest :func:`visibility_entropy`,
    best first.

    Args:
        pos: positions ``[N, 3]`` in Å.
        n: rotations to keep (the thesis keeps 30).
        candidates: rotations to draw on SO(3).
        seed: seed of the draw.
        beta: decay in 1/Å.

    Raises:
        InputError: if there are fewer candidates than rotations asked for, or no atoms.
    """
    if not 1 <= n <= candidates:
        raise InputError(f"n: expected 1 to {candidates} (candidates), got {n}")
    if len(np.asarray(pos)) == 0:
        raise InputError("pos: expected at least one atom, got none")
    drawn = Rotation.random(candidates, random_state=seed)
    order = np.argsort(-visibility_entropy(pos, drawn, beta), kind="stable")
    return drawn[order[:n]]
