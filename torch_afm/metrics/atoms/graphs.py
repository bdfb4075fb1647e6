"""Predicted graphs as a whole: edit distances, validity, distances between point sets."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from rdkit import Chem, rdBase
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.data.bond_orders import build_mol, formal_charges
from torch_afm.metrics.atoms.matching import Matching, match_bonds
from torch_afm.utils import InputError

#: Atoms of either graph up to which :func:`graph_edit_distance` is affordable.
MAX_ATOMS = 8


def edit_distance(
    graph: AFMData, truth: AFMData, matching: Matching, labels: tuple[Tensor, Tensor] | None = None
) -> int:
    r"""Edits that turn a prediction into the truth by a given matching: an atom added or removed, its element
    changed, a bond added or removed, 1 each,

    .. math::
        d = |\mathrm{missing}| + |\mathrm{extra}| + |\{(i, j): c_i \ne c_j\}| +
        |E_\mathrm{pred}| + |E_\mathrm{true}| - 2\, |E_\mathrm{matched}| .

    The matching is by place, so a graph that is right but lies elsewhere is far away; 0 means an exact match.
    The graph edit distance, which is free in its choice of the matching, is never larger
    (:func:`graph_edit_distance`).

    Args:
        graph: the prediction.
        truth: the visible atoms.
        matching: of the two, one to one and blind to elements.
        labels: class of each predicted and each true atom; default the atomic numbers.
    """
    pred, true = labels or (graph.z, truth.z)
    wrong = int((pred[matching.pred] != true[matching.true]).sum())
    bonds = match_bonds(graph.edge_index, truth.edge_index, matching)
    atoms = matching.missing.numel() + matching.extra.numel()
    return atoms + wrong + bonds.predicted + bonds.true - 2 * bonds.matched


def graph_edit_distance(graph: AFMData, truth: AFMData, labels: tuple[Tensor, Tensor] | None = None) -> int:
    r"""The graph edit distance (Sanfeliu and Fu, IEEE Trans. SMC 13, 353 (1983)), wherever the atoms lie,
    with the costs of :func:`edit_distance`, exact.

    With these costs an atom that is changed, 1 and its bonds, never costs more than one removed and one
    added, 2 and all bonds of both: the best edits match every atom of the smaller graph. All such matchings,
    :math:`M!/(M-N)!`, are tried at once.

    Args:
        graph: the prediction.
        truth: the visible atoms.
        labels: class of each predicted and each true atom; default the atomic numbers.

    Raises:
        InputError: for more than :data:`MAX_ATOMS` atoms.
    """
    pred, true = labels or (graph.z, truth.z)
    if max(pred.numel(), true.numel()) > MAX_ATOMS:
        raise InputError(
            f"graph, truth: expected at most {MAX_ATOMS} atoms each, got {pred.numel()} and {true.numel()}"
        )
    small, large = sorted(((pred, graph.edge_index), (true, truth.edge_index)), key=lambda g: g[0].numel())
    a, b = _adjacency(*small), _adjacency(*large)
    n, m = len(a), len(b)
    place = np.array(list(itertools.permutations(range(m), n)), dtype=int).reshape(math.perm(m, n), n)
    among = b[place[:, :, None], place[:, None]]
    bonds = (among != a).sum(axis=(1, 2)) + b.sum() - among.sum(axis=(1, 2))
    wrong = (large[0].numpy()[place] != small[0].numpy()).sum(axis=1)
    return int((m - n + wrong + bonds // 2).min())


def is_valid(graph: AFMData) -> bool:
    """Whether RDKit takes a graph for (part of) a molecule: sanitized with all bonds single, which asks the
    least of every atom; a nitrogen with four of them is an ammonium. An empty graph is valid, and so is one
    of several pieces: what is seen is a part of a molecule."""
    if bool((graph.edge_index[0] == graph.edge_index[1]).any()):
        return False
    single = torch.ones(graph.edge_index.size(1))
    charge = formal_charges(graph.z, graph.edge_index, single)
    with rdBase.BlockLogs():
        mol = build_mol(graph, single, charge)
        return Chem.SanitizeMol(mol, catchErrors=True) == Chem.SanitizeFlags.SANITIZE_NONE


def hausdorff(pos_pred: Tensor, pos_true: Tensor) -> float | None:
    r"""Hausdorff distance of two sets of atoms in Å, :math:`\max(\max_i \min_j d_{ij}, \max_j \min_i
    d_{ij})`; 0 where both are empty, ``None`` where one is."""
    ends = _nearest(pos_pred, pos_true)
    return None if ends is None else max(float(d.max()) if d.numel() else 0.0 for d in ends)


def chamfer(pos_pred: Tensor, pos_true: Tensor) -> float | None:
    r"""Chamfer distance of two sets of atoms in Å, the mean of :math:`\mathrm{mean}_i \min_j d_{ij}` and
    :math:`\mathrm{mean}_j \min_i d_{ij}`; 0 where both are empty, ``None`` where one is."""
    ends = _nearest(pos_pred, pos_true)
    return None if ends is None else sum(float(d.mean()) if d.numel() else 0.0 for d in ends) / 2


def _nearest(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor] | None:
    """Distance of each point to the nearest of the other set."""
    if (a.size(0) == 0) != (b.size(0) == 0):
        return None
    if a.size(0) == 0:
        return a.new_empty(0), a.new_empty(0)
    distance = torch.linalg.vector_norm(a.double()[:, None] - b.double()[None], dim=-1)
    return distance.amin(dim=1), distance.amin(dim=0)


def _adjacency(labels: Tensor, edge_index: Tensor) -> np.ndarray:
    table = np.zeros((labels.numel(),) * 2, dtype=int)
    rows, cols = edge_index.numpy()
    table[rows, cols] = table[cols, rows] = 1
    return table
