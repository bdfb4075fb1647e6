"""Orientations in which an AFM sees the most of a molecule (the graph-AFM thesis, Aalto University, see
CITATION.cff, section 2.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from torch_afm.utils import InputError, check_finite, check_shape

#: Molecules judged at once: their heights (atoms x candidates, float64) stay within the processor's cache.
_CHUNK = 16
#: Shares of the largest spread that planes are equally near within, and of visibility that sides show alike.
_SAME_SPREAD, _SAME_SHOWN = 1e-3, 0.01
#: Below this, the z component of a normal says nothing on which side is up.
_UPRIGHT = 1e-3


def visibility_entropy(pos: ArrayLike, rotations: Rotation) -> NDArray[np.float64]:
    r"""How much of a molecule lies near its top, for each of several rotations:

    .. math::
        S = \sum_i \exp(-\beta (z_{\mathrm{top}} - z_i)), \qquad \beta = 1\,\mathrm{Å}^{-1}

    (the thesis, Eq. 2.13, with the sign its text calls for: large when many atoms are visible).

    Args:
        pos: positions in Å.
        rotations: the rotations to judge.

    Shapes:
        pos ``[N, 3]``, result ``[len(rotations)]``.
    """
    pos = np.asarray(pos, dtype=np.float64)
    return _entropies(pos, np.array([0]), rotations)[0]


def best_rotations(pos: ArrayLike, n: int = 30, candidates: int = 500, seed: int = 0) -> Rotation:
    """The ``n`` of ``candidates`` uniformly drawn rotations with the highest :func:`visibility_entropy`,
    best first.

    Args:
        pos: positions ``[N, 3]`` in Å.
        n: rotations to keep (the thesis keeps 30).
        candidates: rotations to draw on SO(3).
        seed: seed of the draw.

    Raises:
        InputError: if there are fewer candidates than rotations asked for, or no atoms.
    """
    ids = best_rotation_ids([pos], n, candidates, seed)
    return candidate_rotations(candidates, seed)[ids[0]]


def flat_rotation(pos: ArrayLike) -> Rotation:
    r"""The smallest rotation that lays a molecule flat: the plane that its atoms are nearest to, with the
    normal

    .. math::
        \mathbf{n} = \arg\min_{|\mathbf{n}| = 1}
            \sum_i \bigl(\mathbf{n} \cdot (\mathbf{x}_i - \bar{\mathbf{x}})\bigr)^2,

    comes to lie horizontally. Up comes the side of the higher :func:`visibility_entropy`; of a planar
    molecule, whose sides show as much, the one that is up already. Atoms in a line, or equally spread in all
    directions, have no such plane: of those as near, the most horizontal one is taken.

    Args:
        pos: positions in Å.

    Shapes:
        pos ``[N, 3]``.

    Raises:
        InputError: for no atoms, or positions that are not finite.
    """
    pos = np.asarray(pos, dtype=np.float64)
    check_shape("pos", pos, (None, 3))
    check_finite("pos", pos)
    if len(pos) == 0:
        raise InputError("pos: expected at least one atom, got none")
    centered = pos - pos.mean(axis=0)
    spread, axes = np.linalg.eigh(centered.T @ centered)
    near = axes[:, spread <= spread[0] + _SAME_SPREAD * max(spread[2], 1.0)]
    # Of the normals of equally near planes, the one that is most vertical.
    normal = near @ near[2]
    if np.linalg.norm(normal) < _UPRIGHT:
        normal = near[:, 0]
    normal = normal / np.linalg.norm(normal)
    sides = [_upright(normal), _upright(-normal)]
    shown = visibility_entropy(centered, Rotation.concatenate(sides))
    if abs(shown[0] - shown[1]) > _SAME_SHOWN * shown.max():
        return sides[int(shown.argmax())]
    largest = next(x for x in normal[::-1] if abs(x) > _UPRIGHT)
    return sides[0] if largest > 0 else sides[1]


def _upright(normal: np.ndarray) -> Rotation:
    """The smallest rotation of ``normal`` to z."""
    axis = np.array([normal[1], -normal[0], 0.0])
    size = np.linalg.norm(axis)
    axis = np.array([1.0, 0, 0]) if size < 1e-12 else axis / size
    return Rotation.from_rotvec(np.arctan2(size, normal[2]) * axis)


def candidate_rotations(candidates: int = 500, seed: int = 0) -> Rotation:
    """The rotations, uniform on SO(3), that the ids of :func:`best_rotation_ids` count."""
    return Rotation.random(candidates, random_state=seed)


def best_rotation_ids(
    positions: Sequence[ArrayLike], n: int = 30, candidates: int = 500, seed: int = 0
) -> NDArray[np.int64]:
    """:func:`best_rotations` of many molecules, as indices into :func:`candidate_rotations`.

    Args:
        positions: of each molecule, in Å.
        n: rotations to keep.
        candidates: rotations to draw on SO(3).
        seed: seed of the draw.

    Shapes:
        positions ``[N_m, 3]`` each, result ``[len(positions), n]``, best first, equals in candidates' order.

    Raises:
        InputError: if there are fewer candidates than rotations asked for, or for a molecule without atoms
            or with a position that is not finite.
    """
    if not 1 <= n <= candidates:
        raise InputError(f"n: expected 1 to {candidates} (candidates), got {n}")
    arrays = [np.asarray(p, dtype=np.float64) for p in positions]
    for i, pos in enumerate(arrays):
        where = "pos" if len(arrays) == 1 else f"pos of molecule {i}"
        if len(pos) == 0:
            raise InputError(f"{where}: expected at least one atom, got none")
        check_shape(where, pos, (None, 3))
        check_finite(where, pos)
    drawn = candidate_rotations(candidates, seed)
    result = np.empty((len(arrays), n), dtype=np.int64)
    for first in range(0, len(arrays), _CHUNK):
        part = arrays[first : first + _CHUNK]
        starts = np.cumsum([0] + [len(p) for p in part[:-1]])
        entropy = _entropies(np.concatenate(part), starts, drawn)
        result[first : first + len(part)] = np.argsort(-entropy, axis=1, kind="stable")[:, :n]
    return result


def _entropies(pos: np.ndarray, starts: np.ndarray, rotations: Rotation) -> np.ndarray:
    """Entropies ``[len(starts), len(rotations)]`` of molecules whose atoms begin at ``starts``."""
    # Only the third row of a rotation matrix decides the heights. Written out rather than as a product of
    # matrices, whose rounding would depend on how many molecules are judged together.
    x, y, z = rotations.as_matrix().reshape(-1, 3, 3)[:, 2, :].T
    height = pos[:, :1] * x + pos[:, 1:2] * y + pos[:, 2:] * z
    top = np.maximum.reduceat(height, starts)
    depth = np.repeat(top, np.diff([*starts, len(pos)]), axis=0) - height
    return np.add.reduceat(np.exp(-depth), starts)
