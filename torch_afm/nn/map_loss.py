"""Parts of the losses of generators that map missing atoms and revise those that are there."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.data import AFMData
from torch_afm.nn.graph_head import GraphOutput
from torch_afm.nn.image import MapGrid


class Neighborhood(NamedTuple):
    """Pixels around atoms, ``[N, 9]``, their weights :math:`\\omega`, and where the atom is from them
    ``[N, 9, 3]``, as a map of positions should have it."""

    row: Tensor
    column: Tensor
    omega: Tensor
    pos: Tensor


class Targets(NamedTuple):
    """Atoms that maps are to show: their graph, plane, class and weight, ``[N]`` each."""

    graph: Tensor
    plane: Tensor
    label: Tensor
    weight: Tensor


class RevisionTerms(NamedTuple):
    """The loss of a revised graph: its bonds, the moves of its atoms, and whether they are real."""

    bond: Tensor
    move: Tensor
    real: Tensor


def gaussian_nll(mean: Tensor, log_var: Tensor, true: Tensor) -> Tensor:
    """Negative logarithm of a Gaussian, but for its constant."""
    return 0.5 * (log_var + (mean - true).square() * (-log_var).exp())


def focal_loss(logits: Tensor, spread: Tensor, weights: Tensor) -> Tensor:
    r"""The sum of the penalty-reduced focal loss of CornerNet (Law and Deng, arXiv:1808.01244, Eq. 1),

    .. math::
        -\sum_{v > 0} v (1 - p)^2 \log p - \sum_{v = 0} (1 - y)^4 p^2 \log(1 - p)

    Args:
        logits: logits of :math:`p`.
        spread: :math:`y`, 1 at atoms and less around them.
        weights: :math:`v` of pixels with an atom, 0 of all others.
    """
    p = logits.sigmoid()
    positive = weights * (1 - p).square() * F.logsigmoid(logits)
    negative = (weights == 0) * (1 - spread) ** 4 * p.square() * F.logsigmoid(-logits)
    return -(positive + negative).sum()


def topmost(grid: MapGrid, pos: Tensor, plane: Tensor) -> Tensor:
    """Which atoms, ``[N]`` booleans, lie on the map with no other of their ``plane`` (a number for each graph
    and plane) above them, within 0.75 pixels' diagonals."""
    column, row = grid.nearest(pos)
    height, width = grid.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    radius = 0.75 * (grid.pitch[0] ** 2 + grid.pitch[1] ** 2) ** 0.5
    near = torch.cdist(pos[:, :2], pos[:, :2]) < radius
    above = (plane[:, None] == plane) & near & (pos[:, 2] > pos[:, 2:])
    return inside & ~above.any(dim=1)


def around(grid: MapGrid, pos: Tensor, sigma: float) -> Neighborhood:
    """The pixel of each atom and the eight around it, weighted by a Gaussian of the width ``sigma`` in Å."""
    patches = grid.patches(pos, 1)
    omega = patches.inside * (patches.offset.square().sum(dim=-1) / (-2 * sigma**2)).exp()
    true = torch.cat([patches.offset, pos[:, None, 2:].expand(-1, 9, -1)], dim=-1)
    return Neighborhood(patches.row, patches.column, omega / omega.sum(dim=1, keepdim=True), true)


def found_loss(
    class_logits: Tensor, position: Tensor, log_var: Tensor, targets: Targets, place: Neighborhood
) -> tuple[Tensor, Tensor]:
    """Sums over atoms of what their maps are to say of them, at the pixels around each: the cross-entropy of
    its class, and the Gaussian likelihood of its position.

    Shapes:
        class_logits ``[B, K, Y, X]``, position and log_var ``[B, P, 3, Y, X]``.
    """
    graph, plane = targets.graph[:, None], targets.plane[:, None]
    omega = targets.weight[:, None] * place.omega
    cross_entropy = -(omega * class_logits[graph, targets.label[:, None], place.row, place.column]).sum()
    mean, spread = (m[graph, plane, :, place.row, place.column] for m in (position, log_var))
    return cross_entropy, (omega[:, :, None] * gaussian_nll(mean, spread, place.pos)).sum()


def revision_loss(out: GraphOutput, data: AFMData | Batch) -> RevisionTerms:
    """Bonds: the binary cross-entropy over pairs of atoms that are close enough, those with a bond and those
    without weighing the same in all. Moves: the Gaussian likelihood of ``true_pos``, and the cross-entropy of
    whether an atom has one; means over the atoms."""
    is_real = data.true_pos[:, 0].isfinite()
    count = max(1, len(is_real))
    moved = (data.true_pos - data.pos)[is_real]
    move = gaussian_nll(out.move[is_real], out.move_log_var[is_real], moved).sum() / count
    real = F.binary_cross_entropy_with_logits(out.real, is_real.to(out.real), reduction="sum") / count
    return RevisionTerms(_bond_loss(out, data), move, real)


def _bond_loss(out: GraphOutput, data: AFMData | Batch) -> Tensor:
    if not out.bond.numel():
        return out.bond.sum()
    count = data.z.numel()
    known = data.edge_index[0] * count + data.edge_index[1]
    true = torch.isin(out.pairs[0] * count + out.pairs[1], known).to(out.bond)
    share = true.mean().clamp(0.1, 0.9)
    weight = true / share + (1 - true) / (1 - share)
    return F.binary_cross_entropy_with_logits(out.bond, true, 0.5 * weight)
