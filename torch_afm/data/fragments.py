"""Several molecules side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Directions in the plane that a molecule is tried in.
_DIRECTIONS = 12


def side_by_side(positions: Sequence[np.ndarray], radii: Sequence[np.ndarray]) -> list[np.ndarray]:
    r"""Molecules laid flat in the plane of x and y, each in van der Waals contact with those before it.

    Each is turned so that its mean plane is horizontal and its longest extent along x, put at the origin
    and moved along one of twelve directions :math:`\mathbf{e}` by the shortest way that leaves no two atoms
    nearer than the sum of their radii,

    .. math::
        t(\mathbf{e}) = \max_{ij} \; \mathbf{e}\cdot\mathbf{d}_{ij}
            + \sqrt{(R_i + R_j)^2 - |\mathbf{d}_{ij} - (\mathbf{e}\cdot\mathbf{d}_{ij})\,\mathbf{e}|^2},

    :math:`\mathbf{d}_{ij}` from atom j of the new molecule to atom i of the others; the direction of least
    t is taken.

    Args:
        positions: of the atoms of each molecule, in Å.
        radii: their van der Waals radii in Å.

    Shapes:
        positions ``[N_m, 3]``, radii ``[N_m]``, returns ``[N_m, 3]`` each.
    """
    placed: list[np.ndarray] = []
    for number, pos in enumerate(positions):
        flat = _flat(pos)
        if placed:
            others, reach = np.concatenate(placed), np.concatenate(radii[:number])
            d = (others[:, None] - flat[None]).reshape(-1, 3)
            contact = (reach[:, None] + radii[number][None]).ravel()
            angles = 2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
            shifts = [contact_shift(d, contact, np.array([np.cos(a), np.sin(a), 0.0])) for a in angles]
            shortest = int(np.argmin(np.round([t for t, _ in shifts], 6)))
            flat = flat + shifts[shortest][1]
        placed.append(flat)
    return placed


def _flat(pos: np.ndarray) -> np.ndarray:
    """``pos`` around its middle, its axes of most, next and least extent along x, y and z."""
    centered = pos - pos.mean(axis=0)
    axes = np.linalg.eigh(centered.T @ centered)[1][:, ::-1]
    axes[:, 2] *= np.sign(np.linalg.det(axes))  # a rotation, which keeps the handedness
    return np.asarray(centered @ axes)


def contact_shift(d: np.ndarray, contact: np.ndarray, direction: np.ndarray) -> tuple[float, np.ndarray]:
    """How far to go along ``direction`` until all distances are at least ``contact``, there and beyond, and
    the vector.

    Shapes:
        d ``[P, 3]``, from an atom that moves to one that stays, contact ``[P]``, direction ``[3]`` of unit
        length.
    """
    along = d @ direction
    room = contact**2 - ((d - along[:, None] * direction) ** 2).sum(axis=1)
    hits = room > 0
    t = float((along[hits] + np.sqrt(room[hits])).max()) if hits.any() else 0.0
    return t, max(t, 0.0) * direction
