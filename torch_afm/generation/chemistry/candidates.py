"""Check whether a further atom may join a structure."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_afm.elements import BOND_TOLERANCE, max_bond_length, max_valence
from torch_afm.utils import InputError, check_finite, check_shape

#: Largest number of neighbors of an atom, whatever its valence: sulfur has six bonds, but four neighbors in a
#: molecule.
_MAX_NEIGHBORS = 4


def allowed(
    candidate_z: Tensor,
    candidate_pos: Tensor,
    z: Tensor,
    pos: Tensor,
    tolerance: float = BOND_TOLERANCE,
    coordination: bool = True,
) -> Tensor:
    r"""Whether a candidate atom may join a structure. It must not clash: be no closer to any atom than

    .. math::
        d_{ij} \ge r_i + r_j - t ,

    with covalent radii :math:`r` and a tolerance :math:`t` that is as wide as that of
    :func:`torch_afm.data.covalent_bonds` on the other side; and, with ``coordination``, its bonds by that
    rule must not exceed the neighbors that it and the atoms bonded to it can have: their largest valence
    (:data:`torch_afm.elements.MAX_VALENCE`), and 4 at most. Candidates are looked at one by one, not against
    each other.

    Args:
        candidate_z: atomic numbers of the candidates.
        candidate_pos: their positions in Å.
        z: atomic numbers of the structure.
        pos: its positions in Å.
        tolerance: t in Å.
        coordination: also count neighbors.

    Shapes:
        candidate_z ``[M]``, candidate_pos ``[M, 3]``, z ``[N]``, pos ``[N, 3]`` -> ``[M]`` bool.

    Raises:
        InputError: for wrong shapes, positions that are not finite, or a negative tolerance.
    """
    for name, numbers, place in (("candidate_", candidate_z, candidate_pos), ("", z, pos)):
        check_shape(f"{name}z", numbers, (None,))
        check_shape(f"{name}pos", place, (len(numbers), 3))
        check_finite(f"{name}pos", place)
    if not tolerance >= 0:
        raise InputError(f"tolerance: expected a length in Å, 0 or more, got {tolerance}")
    distance = torch.cdist(candidate_pos.double(), pos.double())
    fine = (distance >= _reach(candidate_z, z, -tolerance)).all(dim=1)
    if not coordination:
        return fine
    within = torch.cdist(pos.double(), pos.double()) < _reach(z, z, tolerance)
    taken = within.sum(dim=1) - 1  # not itself
    bonds = distance < _reach(candidate_z, z, tolerance)
    full = taken >= _max_neighbors(z)
    return fine & ~(bonds & full).any(dim=1) & (bonds.sum(dim=1) <= _max_neighbors(candidate_z))


def _reach(z: Tensor, other: Tensor, tolerance: float) -> Tensor:
    return torch.from_numpy(max_bond_length(z.numpy()[:, None], other.numpy(), tolerance))


def _max_neighbors(z: Tensor) -> Tensor:
    limits = [min(max_valence(n) or _MAX_NEIGHBORS, _MAX_NEIGHBORS) for n in z.tolist()]
    return torch.tensor(limits, dtype=torch.long)
