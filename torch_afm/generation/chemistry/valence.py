"""Valences as a filter: which atoms and bonds may join a graph, and which bonds have to go."""

from __future__ import annotations

import torch
from torch import Tensor

from torch_afm.data import valence_errors
from torch_afm.elements import covalent_radius, max_valence
from torch_afm.utils import InputError, check_shape


def fits_valence(z: Tensor, edge_index: Tensor, new_z: Tensor, bonded: Tensor) -> Tensor:
    """Which candidate atoms, each with its bonds, may join a graph: neither the candidate nor an atom that it
    is bonded to then has more bonds than its element takes (:data:`torch_afm.elements.MAX_VALENCE`).
    Candidates are looked at one by one, not against each other. A candidate bond between two atoms of the
    graph is judged by :func:`torch_afm.data.valence_errors` of the graph with it.

    Args:
        z: atomic numbers of the graph.
        edge_index: its bonds, each in both directions.
        new_z: atomic numbers of the candidates.
        bonded: which atoms each is bonded to.

    Shapes:
        z ``[N]``, edge_index ``[2, E]``, new_z ``[M]``, bonded ``[M, N]`` booleans -> ``[M]`` booleans.

    Raises:
        InputError: for other shapes or unknown elements.
    """
    check_shape("z", z, (None,))
    check_shape("edge_index", edge_index, (2, None))
    check_shape("bonded", bonded, (new_z.numel(), z.numel()))
    taken = torch.bincount(edge_index[0], minlength=z.numel())
    full = taken >= _limits(z)
    return ~(bonded & full).any(dim=1) & (bonded.sum(dim=1) <= _limits(new_z))


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
        radius = torch.tensor([covalent_radius(n) for n in z.tolist()])
        badness = torch.linalg.vector_norm(pos[row] - pos[col], dim=1) - radius[row] - radius[col]
    else:
        check_shape("probability", probability, (edge_index.size(1),))
        badness = -probability
    if {*zip(*edge_index.tolist(), strict=True)} != {*zip(*edge_index.flip(0).tolist(), strict=True)}:
        raise InputError("edge_index: expected each bond in both directions, got one in one direction only")
    keep = torch.ones(edge_index.size(1), dtype=torch.bool)
    while (wrong := valence_errors(z, edge_index[:, keep])).any():
        open_to = keep & (wrong[row] | wrong[col])
        worst = int(torch.where(open_to, badness, -torch.inf).argmax())
        keep &= ~(((row == row[worst]) & (col == col[worst])) | ((row == col[worst]) & (col == row[worst])))
    return keep


def _limits(z: Tensor) -> Tensor:
    limits = [max_valence(n) for n in z.tolist()]
    return torch.tensor([torch.inf if n is None else n for n in limits])
