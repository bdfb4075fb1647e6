"""Covalent bonds from distances, and a check of valences."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from torch_afm.elements import BOND_TOLERANCE, atomic_number, max_bond_length, max_valence
from torch_afm.utils import InputError, check_finite, check_shape


def covalent_bonds(z: Tensor, pos: Tensor, tolerance: float = BOND_TOLERANCE) -> Tensor:
    r"""Bonds of a structure: atoms :math:`i, j` closer than the sum of their covalent radii and a tolerance,

    .. math::
        |\mathbf{x}_i - \mathbf{x}_j| < r_i + r_j + t

    (:func:`torch_afm.elements.max_bond_length`). No periodic images.

    Args:
        z: atomic numbers.
        pos: positions in Å.
        tolerance: :math:`t` in Å.

    Shapes:
        z ``[N]``, pos ``[N, 3]`` -> edge_index ``[2, E]``, each bond in both directions, sorted by row 0 and
        then row 1.

    Raises:
        InputError: for other shapes, unknown elements, non-finite positions or a negative tolerance.
    """
    check_shape("z", z, (None,))
    check_shape("pos", pos, (z.numel(), 3))
    check_finite("pos", pos)
    if not tolerance >= 0:
        raise InputError(f"tolerance: expected a length in Å, 0 or more, got {tolerance}")
    numbers = z.detach().cpu().numpy()
    for n in np.unique(numbers):
        atomic_number(int(n))
    points = pos.detach().cpu().numpy().astype(np.float64)
    if len(points) < 2:
        return torch.empty(2, 0, dtype=torch.long, device=z.device)
    longest = max_bond_length(numbers, numbers, tolerance).max()
    pairs = cKDTree(points).query_pairs(longest, output_type="ndarray")
    distance = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    pairs = pairs[distance < max_bond_length(numbers[pairs[:, 0]], numbers[pairs[:, 1]], tolerance)]
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    return torch.from_numpy(np.ascontiguousarray(both.T)).long().to(z.device)


def valence_errors(z: Tensor, edge_index: Tensor, order: Tensor | None = None) -> Tensor:
    r"""Which atoms break the valence of their element,

    .. math::
        \Big\lfloor \sum_{j \in \mathcal{N}(i)} o_{ij} \Big\rfloor > v_{z_i},

    with bond orders :math:`o_{ij}`, 1 where they are not known, and :data:`torch_afm.elements.MAX_VALENCE`
    for :math:`v`. Too few bonds are no error: the atoms of a visible part have bonds to atoms nobody sees.
    Rounded down, the 4.5 of an atom in three aromatic bonds is a carbon's 4.

    Args:
        z: atomic numbers.
        edge_index: bonds, each in both directions.
        order: order of each entry of ``edge_index``.

    Shapes:
        z ``[N]``, edge_index ``[2, E]``, order ``[E]`` -> ``[N]`` booleans.

    Raises:
        InputError: for other shapes, unknown elements, or bonds of atoms that are not there.
    """
    check_shape("z", z, (None,))
    check_shape("edge_index", edge_index, (2, None))
    if order is not None:
        check_shape("order", order, (edge_index.size(1),))
    if edge_index.numel() and (int(edge_index.min()) < 0 or int(edge_index.max()) >= z.numel()):
        raise InputError(f"edge_index: expected indices of {z.numel()} atom(s), got {edge_index.tolist()}")
    weight = torch.ones(edge_index.size(1), device=z.device) if order is None else order.float()
    total = torch.zeros(z.numel(), device=z.device).index_add_(0, edge_index[0], weight)
    limits = {n: max_valence(n) for n in z.unique().tolist()}
    limit = torch.tensor([float("inf") if limits[n] is None else limits[n] for n in z.tolist()])
    return total.floor() > limit.to(z.device)
