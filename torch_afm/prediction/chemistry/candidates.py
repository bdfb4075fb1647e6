"""Check whether further atoms can join a structure."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.elements import BOND_TOLERANCE, max_bond_length, max_valence
from torch_afm.utils import check_finite, check_shape

#: Largest number of neighbors of an atom, whatever its valence: sulfur has six bonds, but four neighbors in a
#: molecule.
_MAX_NEIGHBORS = 4


def can_join(candidates: AFMData, structure: AFMData) -> Tensor:
    r"""Which candidate atoms can join a structure. They must not clash: be no closer to any atom than

    .. math::
        d_{ij} \ge r_i + r_j - t ,

    with covalent radii :math:`r` and the tolerance :math:`t` of :func:`torch_afm.data.covalent_bonds`, 0.4 Å,
    and their bonds by that rule must not exceed the neighbors that they and the atoms bonded to them can
    have: the largest valence (:data:`torch_afm.elements.MAX_VALENCE`), and 4 at most. Candidates are checked
    one by one, not against each other.

    Args:
        candidates: atoms with ``z`` and ``pos`` [Å].
        structure: the atoms that are there, likewise.

    Returns:
        booleans ``[M]``, one a candidate.

    Raises:
        InputError: for wrong shapes and positions that are not finite.
    """
    for name, atoms in (("candidates", candidates), ("structure", structure)):
        check_shape(f"{name}: z", atoms.z, (None,))
        check_shape(f"{name}: pos", atoms.pos, (len(atoms.z), 3))
        check_finite(f"{name}: pos", atoms.pos)
    z, pos = structure.z, structure.pos.double()
    distance = torch.cdist(candidates.pos.double(), pos)
    separate = (distance >= _reach(candidates.z, z, -BOND_TOLERANCE)).all(dim=1)
    within = torch.cdist(pos, pos) < _reach(z, z, BOND_TOLERANCE)
    taken = within.sum(dim=1) - 1  # not itself
    bonds = distance < _reach(candidates.z, z, BOND_TOLERANCE)
    full = taken >= _max_neighbors(z)
    return separate & ~(bonds & full).any(dim=1) & (bonds.sum(dim=1) <= _max_neighbors(candidates.z))


def _reach(z: Tensor, other: Tensor, tolerance: float) -> Tensor:
    return torch.from_numpy(max_bond_length(z.numpy()[:, None], other.numpy(), tolerance))


def _max_neighbors(z: Tensor) -> Tensor:
    limits = [min(max_valence(n) or _MAX_NEIGHBORS, _MAX_NEIGHBORS) for n in z.tolist()]
    return torch.tensor(limits, dtype=torch.long)
