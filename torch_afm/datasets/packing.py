"""Molecules in the plane: in contact, on a lattice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from torch_afm.data.fragments import contact_shift

Points = NDArray[np.float64]

#: Angles in degrees between the vectors of a lattice.
_ANGLES = 60.0, 120.0

#: Lattices that the densest is taken of.
_LATTICES = 4


def turn_about_z(angle: float) -> Points:
    """The rotation by ``angle`` in radians, counter-clockwise in the plane, ``[3, 3]``."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def bring_into_contact(
    pos: Points, radii: Points, others: Points, others_radii: Points, angle: float
) -> Points:
    """The shortest move along a direction in the plane by which a molecule leaves no two atoms, one its, one
    of the others, nearer than the sum of their radii, there or farther along.

    Args:
        pos: of the molecule, in Å.
        radii: of its atoms.
        others: positions of the atoms that are there.
        others_radii: their radii.
        angle: of the direction, in radians.

    Shapes:
        pos ``[N, 3]``, radii ``[N]``, others ``[M, 3]``, others_radii ``[M]``, result ``[3]``.
    """
    d = (others[:, None] - pos[None]).reshape(-1, 3)
    contact = (others_radii[:, None] + radii[None]).ravel()
    return contact_shift(d, contact, np.array([np.cos(angle), np.sin(angle), 0.0]))[1]


def draw_lattice(pos: Points, radii: Points, slack: float, rng: np.random.Generator) -> Points:
    """Two lattice vectors in the plane, ``[2, 2]`` in Å, along which copies of a group of atoms lie in
    contact, but for up to ``slack``. Their directions are the densest of four draws, 60 to 120° from each
    other; their lengths follow.

    Args:
        pos: of the group, ``[N, 3]``.
        radii: of its atoms, ``[N]``.
        slack: largest length in Å beyond contact.
        rng: what draws.
    """
    drawn = [_contact_lattice(pos, radii, rng) for _ in range(_LATTICES)]
    vectors = min(drawn, key=lambda v: abs(np.linalg.det(v)))
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors * (1 + rng.uniform(0, slack, (2, 1)) / lengths))


def _contact_lattice(pos: Points, radii: Points, rng: np.random.Generator) -> Points:
    first = rng.uniform(0, 2 * np.pi)
    second = first + np.radians(rng.uniform(*_ANGLES))
    a = bring_into_contact(pos, radii, pos, radii, first)
    # What moves along the second vector passes a row of copies, as long as matters.
    reach = np.ptp(pos[:, :2], axis=0).sum() + 2 * radii.max()
    copies = int(np.ceil(2 * reach / np.linalg.norm(a))) + 1
    row = (pos[None] + np.arange(-copies, copies + 1)[:, None, None] * a).reshape(-1, 3)
    b = bring_into_contact(pos, radii, row, np.tile(radii, 2 * copies + 1), second)
    return np.stack([a[:2], b[:2]])


def lattice_points(vectors: Points, center: Points, radius: float) -> Points:
    """All points of a lattice ``[2, 2]`` through the origin no farther than ``radius`` from ``center``
    ``[2]``: ``[P, 2]``."""
    inverse = np.linalg.inv(vectors)
    middle = np.rint(center @ inverse).astype(int)
    # Steps along one vector: the radius over the distance of the lines that the other one makes.
    n, m = (np.ceil(radius * np.linalg.norm(inverse, axis=0)) + 1).astype(int)
    i, j = np.mgrid[-n : n + 1, -m : m + 1].reshape(2, -1) + middle[:, None]
    points = np.stack([i, j], axis=1) @ vectors
    return points[np.linalg.norm(points - center, axis=1) <= radius]
