"""Atoms with more bonds than their element can have."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_afm.elements import max_valence
from torch_afm.utils import InputError, check_shape


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
