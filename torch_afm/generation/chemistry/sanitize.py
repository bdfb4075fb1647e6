"""Graphs as molecules that are sound: no valence broken, each bond with its order."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from torch_afm.data import AFMData, bond_orders, valence_errors
from torch_afm.elements import COVALENT_RADII
from torch_afm.utils import InputError, check_shape


def sanitize(graph: AFMData) -> AFMData:
    """The graph without the bonds that break a valence (:func:`trim_bonds`), with the orders of the others,
    ``bond_order`` ``[E]``, and ``formal_charge`` ``[N]`` (:func:`torch_afm.data.bond_orders`, with the
    graph's ``sigma`` where it has them). Atoms stay.

    Args:
        graph: ``z``, ``pos`` [Å], ``edge_index`` and, from a network, ``bond_probability`` ``[E]``.
    """
    keep = trim_bonds(graph.z, graph.pos, graph.edge_index, graph.get("bond_probability"))
    kept = copy.copy(graph)
    kept.edge_index = graph.edge_index[:, keep]
    if "bond_probability" in graph:
        kept.bond_probability = graph.bond_probability[keep]
    kept.bond_order, kept.formal_charge = bond_orders(kept, graph.get("sigma"))
    return kept


def trim_bonds(z: Tensor, pos: Tensor, edge_index: Tensor, probability: Tensor | None = None) -> Tensor:
    r"""Which bonds to keep so that no atom has more than its element takes. As long as one has, of the bonds
    of such atoms the worst goes: the least probable or, where no probabilities are known, the one longest for
    its elements, :math:`|\mathbf{x}_i - \mathbf{x}_j| - r_i - r_j` with covalent radii :math:`r`.

    Args:
        z: atomic numbers.
        pos: positions in Å.
        edge_index: bonds, each in both directions.
        probability: of each entry of ``edge_index``.

    Shapes:
        z ``[N]``, pos ``[N, 3]``, edge_index ``[2, E]``, probability ``[E]`` -> ``[E]`` booleans.

    Raises:
        InputError: for other shapes, unknown elements, or a bond given in one direction only.
    """
    check_shape("pos", pos, (z.numel(), 3))
    row, col = edge_index
    if probability is None:
        radius = torch.from_numpy(COVALENT_RADII).float()[z]
        excess = torch.linalg.vector_norm(pos[row] - pos[col], dim=1) - radius[row] - radius[col]
    else:
        check_shape("probability", probability, (edge_index.size(1),))
        excess = -probability
    if {*zip(*edge_index.tolist(), strict=True)} != {*zip(*edge_index.flip(0).tolist(), strict=True)}:
        raise InputError("edge_index: expected each bond in both directions, got one in one direction only")
    keep = torch.ones(edge_index.size(1), dtype=torch.bool)
    while (wrong := valence_errors(z, edge_index[:, keep])).any():
        open_to = keep & (wrong[row] | wrong[col])
        worst = int(torch.where(open_to, excess, -torch.inf).argmax())
        keep &= ~(((row == row[worst]) & (col == col[worst])) | ((row == col[worst]) & (col == row[worst])))
    return keep
