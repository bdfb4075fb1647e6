"""What is wrong with the atoms of a structure, whatever its image."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from torch_afm.data import AFMData, covalent_bonds, valence_errors
from torch_afm.data.bond_orders import RADII
from torch_afm.elements import covalent_radius, symbol
from torch_afm.utils import check_finite, check_shape

#: Atoms, and share of all, that may be without a neighbor (theirs may lie too deep to be seen), and Å that
#: atoms without a bond keep.
_LONE, _LONE_SHARE, _CLOSE = 2, 1 / 3, 1.3

#: Å below the highest atom down to which neighbors are seen, by how much deeper than its atom one in the
#: plane may lie, and how far away: a C-H bond. The sum of the unit vectors to two neighbors in a line is
#: shorter than the last.
_VISIBLE, _IN_PLANE, _LENGTH, _STRAIGHT = 0.55, 0.4, 1.09, 0.35

#: The element that has three neighbors, or two in a line; and one that has triple bonds with it.
_CARBON, _NITROGEN = 6, 7

#: Å that an atom keeps from the edge of the scan where its neighbors are seen, and that the place of a
#: missing one keeps from all other atoms.
_EDGE, _FREE = 1.5, 0.8

#: Å: root mean square error of bond lengths, and the largest one, that may be. Bonds for each of the three
#: numbers of a scanner's distortion, the largest distortion, and passes in which it is found.
_SPREAD, _LARGEST, _BONDS, _DISTORTION, _PASSES = 0.12, 0.35, 2, 0.35, 4


def list_faults(atoms: AFMData, n: int, window: tuple[tuple[float, float], tuple[float, float]]) -> list[str]:
    r"""What speaks against the first atoms of a structure, in words.

    - Valences: a heavy atom has more bonds than its element can have
      (:func:`torch_afm.data.valence_errors`).
    - Open valences: a carbon atom has one neighbor, or two that are not in a line, and wherever the next one
      may be, it lies not more than 0.55 Å below the highest atom, where it would be seen.
    - Lengths of bonds are off by more than 0.35 Å, or 0.12 Å root mean square (:func:`length_errors`).
    - Atoms without a neighbor, more than 2 and than a third of all.
    - Atoms nearer than 1.3 Å to another without a bond.

    Args:
        atoms: ``z`` and ``pos`` [Å], those asked about first, the others below them.
        n: number of the atoms asked about.
        window: of the scan, ((x0, x1), (y0, y1)) in Å: nothing is seen outside.

    Raises:
        InputError: for wrong shapes and positions that are not finite.
    """
    check_shape("pos", atoms.pos, (len(atoms.z), 3))
    check_finite("pos", atoms.pos)
    z, pos = atoms.z, atoms.pos.double()
    bonds = covalent_bonds(z, pos)
    bonds = bonds[:, (z[bonds] > 1).any(dim=0)]  # no scan shows a molecule of hydrogen
    bonded = torch.zeros(len(z), len(z), dtype=torch.bool)
    bonded[tuple(bonds)] = True
    return [
        *_valences(z, bonds, n),
        *_open(z, pos, bonds, n, window),
        *_lengths(z, pos, bonds, n),
        *_neighbors(pos, bonded, n),
    ]


def _valences(z: Tensor, bonds: Tensor, n: int) -> list[str]:
    wrong = (valence_errors(z, bonds)[:n] & (z[:n] > 1)).nonzero().flatten().tolist()
    if not wrong:
        return []
    names = ", ".join(f"{symbol(int(z[i]))}{i + 1}" for i in wrong)
    return [f"more bonds than the element can have: {names}"]


def _open(
    z: Tensor, pos: Tensor, bonds: Tensor, n: int, window: tuple[tuple[float, float], tuple[float, float]]
) -> list[str]:
    """Carbon atoms in view whose neighbor in the plane is missing."""
    (x0, x1), (y0, y1) = window
    low, high = pos.new_tensor([x0 + _EDGE, y0 + _EDGE]), pos.new_tensor([x1 - _EDGE, y1 - _EDGE])
    lacking = []
    for atom in (z[:n] == _CARBON).nonzero().flatten().tolist():
        toward = torch.nn.functional.normalize(pos[bonds[1, bonds[0] == atom]] - pos[atom], dim=1)
        inside = bool(((pos[atom, :2] >= low) & (pos[atom, :2] <= high)).all())
        if not inside or not 1 <= len(toward) <= 2:
            continue
        total = toward.sum(dim=0)
        if len(toward) == 2 and float(total.norm()) < _STRAIGHT:
            continue
        places = pos[atom] + _LENGTH * _missing(toward, -torch.nn.functional.normalize(total, dim=0))
        away = torch.cdist(places, pos)
        away[:, atom] = torch.inf
        lowest = float(places[:, 2].min())
        seen = lowest >= max(float(pos[:n, 2].max()) - _VISIBLE, float(pos[atom, 2]) - _IN_PLANE)
        if seen and float(away.min()) >= _FREE:
            lacking.append(f"C{atom + 1}")
    return [f"a neighbor is missing where it would be seen: of {', '.join(lacking)}"] if lacking else []


def _missing(toward: Tensor, back: Tensor) -> Tensor:
    """Directions to a further neighbor, the highest one of each way to have it: of two neighbors, in their
    plane or, above it, one of two; of one, in a line or at 120°, to the side."""
    if len(toward) == 2:
        normal = torch.nn.functional.normalize(torch.linalg.cross(toward[0], toward[1]), dim=0)
        normal = normal if float(normal[2]) >= 0 else -normal
        return torch.stack([back, back / 3**0.5 + (2 / 3) ** 0.5 * normal])
    aside = torch.nn.functional.normalize(torch.stack([back[1], -back[0], torch.zeros_like(back[0])]), dim=0)
    return torch.stack([back, back / 2 + 0.75**0.5 * aside, back / 2 - 0.75**0.5 * aside])


def _lengths(z: Tensor, pos: Tensor, bonds: Tensor, n: int) -> list[str]:
    off = length_errors(z, pos, bonds[:, (bonds[0] < bonds[1]) & (bonds < n).all(dim=0)])
    if not len(off):
        return []
    spread, largest = float(np.sqrt((off**2).mean())), float(np.abs(off).max())
    if spread <= _SPREAD and largest <= _LARGEST:
        return []
    return [
        f"lengths of bonds are off by {spread:.2f} Å, root mean square, and by up to {largest:.2f} Å, where "
        f"{_SPREAD} and {_LARGEST} Å are allowed"
    ]


def length_errors(z: Tensor, pos: Tensor, bonds: Tensor) -> np.ndarray:
    r"""By how much bonds are longer than single ones, or shorter than multiple ones, in Å, once the
    distortion of the scanner is out: with the symmetric 2 x 2 matrix M near 1 that fits best, their lengths
    are

    .. math::
        d_{ij}^2 = \mathbf{v}_{ij}^T M \mathbf{v}_{ij} + \Delta z_{ij}^2

    for the lateral differences :math:`\mathbf{v}_{ij}`.

    Shapes:
        z ``[N]``, pos ``[N, 3]``, bonds ``[2, E]``, each in one direction -> ``[E]``.
    """
    limits = np.array([_allowed(int(z[i]), int(z[j])) for i, j in bonds.T.tolist()]).reshape(-1, 2)
    across = (pos[bonds[0]] - pos[bonds[1]]).numpy()
    wanted, length = limits.mean(axis=1), np.linalg.norm(across, axis=1)
    for _ in range(_PASSES if len(across) >= 3 * _BONDS else 0):
        length = _undistorted(across, wanted)
        wanted = length.clip(*limits.T)
    return length - length.clip(*limits.T)


def _allowed(z: int, other: int) -> tuple[float, float]:
    """Lengths of the shortest multiple bond that is common between two elements, and of a single one."""
    single = covalent_radius(z) + covalent_radius(other)
    radii = [RADII.get(symbol(number)) for number in (z, other)]
    if None in radii:
        return single, single
    order = 2 if sorted((z, other)) == [_CARBON, _NITROGEN] else 1
    return min(single, sum(pair[order] for pair in radii if pair is not None)), single


def _undistorted(across: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Lengths of bonds without the distortion of the scanner that makes them most like those wanted."""
    x, y, dz = across.T
    # Held near no distortion where bonds of all directions do not tell it.
    rows = np.concatenate([np.stack([x * x, 2 * x * y, y * y], axis=1), np.eye(3)])
    values = np.concatenate([wanted**2 - dz**2, [1.0, 0.0, 1.0]])
    a, b, c = np.linalg.lstsq(rows, values, rcond=None)[0]
    squares, axes = np.linalg.eigh([[a, b], [b, c]])
    matrix = axes @ np.diag(squares.clip(1 - _DISTORTION, 1 + _DISTORTION)) @ axes.T
    flat = across[:, :2]
    return np.sqrt(np.einsum("ni,ij,nj->n", flat, matrix, flat).clip(min=0) + dz**2)


def _neighbors(pos: Tensor, bonded: Tensor, n: int) -> list[str]:
    """Atoms without a neighbor, and such as are nearer than atoms can be."""
    reasons = []
    gap = torch.cdist(pos, pos)
    gap.fill_diagonal_(torch.inf)
    lone = int((~bonded[:n].any(dim=1)).sum())
    if lone > max(_LONE, _LONE_SHARE * n):
        reasons.append(f"{lone} of {n} atoms have no neighbor")
    close = int(((gap < _CLOSE) & ~bonded)[:n].any(dim=1).sum())
    if close:
        reasons.append(f"{close} of {n} atoms are nearer to another, without a bond, than atoms can be")
    return reasons
