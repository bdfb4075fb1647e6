"""The loss of a generator of scans."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.config import ScanLossConfig
from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.nn.heads import HYDROGEN_PARENTS, ScanPrediction, class_planes
from torch_afm.nn.image import MapGrid
from torch_afm.nn.image.map_grid import CUTOFF
from torch_afm.nn.map_loss import Targets, around, focal_loss, found_loss, revision_loss, topmost

#: Distance in Å within which a hydrogen is bonded to the nearest heavier atom.
_BONDED = 1.5


class ScanLossTerms(NamedTuple):
    """The loss and its parts before their weights."""

    total: Tensor
    heatmap: Tensor
    label: Tensor
    position: Tensor
    parent: Tensor
    bond: Tensor
    move: Tensor
    real: Tensor


class ScanLoss(torch.nn.Module):
    r"""The loss of a :class:`~torch_afm.models.ScanGenerator`: all missing atoms that were imaged are targets
    at once.

    .. math::
        \mathcal{L} = \mathcal{L}_\mathrm{heat} + w_c \mathcal{L}_\mathrm{label}
        + w_p \mathcal{L}_\mathrm{pos} + w_h \mathcal{L}_\mathrm{parent} + w_b \mathcal{L}_\mathrm{bond} +
        w_m \mathcal{L}_\mathrm{move} + w_r \mathcal{L}_\mathrm{real}

    The terms are those of :class:`~torch_afm.nn.SpatialLoss`, with these differences. An atom at a depth
    :math:`z < 0` has the weight

    .. math::
        v = e^{z / d},

    for the image shows it the less the deeper it is, and nothing is cut: a deep one is an answer with less
    confidence. The Gaussians :math:`y` that discount the background of the heat are those of all missing
    atoms, also of those that are no targets: beyond the edge, where nothing was measured, and below another
    atom of their plane. There is no decision to stop: where no map has an atom, none is missing.

    **Parent**: the cross-entropy of the element that a hydrogen is bonded to, C, N or O, at its pixel and the
    eight around it. It is the nearest heavier atom of the whole molecule within 1.5 Å; hydrogens without one
    do not count.

    Args:
        classes (AtomClasses): The classes that are predicted.
        pitch (tuple of float): Distance of the maps' pixels in Å, along x and y.
        sigma (float, optional): Width of the Gaussians in Å. (default: :obj:`0.5`)
        config (ScanLossConfig, optional): The weights, and :math:`d` (:obj:`depth`).

    Shapes:
        - **input:** :class:`~torch_afm.nn.ScanPrediction` of :math:`B` graphs, and those graphs with
          their bonds, :obj:`true_pos`, :obj:`missing_z` and :obj:`missing_pos`
        - **output:** :class:`ScanLossTerms` of scalars
    """

    def __init__(
        self,
        classes: AtomClasses,
        pitch: tuple[float, float],
        sigma: float = 0.5,
        config: ScanLossConfig | None = None,
    ) -> None:
        super().__init__()
        self.classes = classes
        self.pitch = pitch
        self.sigma = sigma
        self.config = config or ScanLossConfig()
        self.planes = class_planes(classes)

    def forward(self, out: ScanPrediction, data: AFMData | Batch) -> ScanLossTerms:
        grid = MapGrid.centered(out.heatmap.shape[2:], self.pitch)
        graph, pos, label = data.missing_graph, data.missing_pos, self.classes.index_of(data.missing_z) - 1
        plane = self.planes.to(label.device)[label]
        spread = self.spread(out.heatmap, grid, pos, graph, plane)
        parent = hydrogen_parents(data)

        column, row = grid.nearest(pos)
        shown = topmost(grid, pos, graph * len(self.classes) + plane)
        shown[shown.clone()] = out.measured[graph[shown], 0, row[shown], column[shown]]
        pos, graph, label, plane, parent, row, column = (
            t[shown] for t in (pos, graph, label, plane, parent, row, column)
        )
        weight = (pos[:, 2].clamp(max=0) / self.config.depth).exp()
        scale = weight.sum().clamp(min=1)

        weights = torch.zeros_like(out.heatmap)
        weights[graph, plane, row, column] = weight.to(weights)
        heatmap = focal_loss(out.heatmap, spread, weights) / scale
        place = around(grid, pos, self.sigma)
        targets = Targets(graph, plane, label, weight)
        found = found_loss(out.class_logits, out.position, out.log_var, targets, place)
        cross_entropy, position = (term / scale for term in found)
        known = parent >= 0
        log_parent = out.parent_logits[
            graph[known, None], parent[known, None], place.row[known], place.column[known]
        ]
        omega = weight[known, None] * place.omega[known]
        bonded = -(omega * log_parent).sum() / weight[known].sum().clamp(min=1)
        revision = revision_loss(out.graph, data)
        factors = self.config
        total = (
            heatmap
            + factors.class_weight * cross_entropy
            + factors.position_weight * position
            + factors.parent_weight * bonded
            + factors.bond_weight * revision.bond
            + factors.move_weight * revision.move
            + factors.real_weight * revision.real
        )
        return ScanLossTerms(total, heatmap, cross_entropy, position, bonded, *revision)

    def spread(self, like: Tensor, grid: MapGrid, pos: Tensor, graph: Tensor, plane: Tensor) -> Tensor:
        """The highest of the Gaussians of the atoms of each plane at each pixel, ``[B, P, Y, X]``."""
        patches = grid.patches(pos, math.ceil(CUTOFF * self.sigma / min(self.pitch)))
        height = (patches.offset.square().sum(dim=-1) / (-2 * self.sigma**2)).exp() * patches.inside
        index = ((graph * like.size(1) + plane)[:, None] * grid.shape[0] + patches.row) * grid.shape[1]
        spread = torch.zeros_like(like).flatten()
        spread.scatter_reduce_(0, (index + patches.column).flatten(), height.to(spread).flatten(), "amax")
        return spread.view_as(like)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(pitch={self.pitch}, sigma={self.sigma}, config={self.config})"


def hydrogen_parents(data: AFMData | Batch) -> Tensor:
    """Number in :data:`~torch_afm.nn.heads.HYDROGEN_PARENTS` of the atom that each missing one is bonded to,
    ``[M]``; -1 for other elements and other neighbors. The neighbor is the nearest heavier atom of the same
    molecule, missing or not, within 1.5 Å."""
    batch = data.batch if "batch" in data else torch.zeros_like(data.z)
    real = data.true_pos[:, 0].isfinite()
    z = torch.cat([data.z[real], data.missing_z])
    pos = torch.cat([data.true_pos[real], data.missing_pos])
    graph = torch.cat([batch[real], data.missing_graph])
    z, pos, graph = (t[z > 1] for t in (z, pos, graph))
    parents = torch.full_like(data.missing_z, -1)
    hydrogens = (data.missing_z == 1).nonzero().flatten()
    if len(z) and len(hydrogens):
        distance = torch.cdist(data.missing_pos[hydrogens], pos)
        distance[data.missing_graph[hydrogens][:, None] != graph] = torch.inf
        length, nearest = distance.min(dim=1)
        found = torch.full_like(hydrogens, -1)
        for number, element in enumerate(HYDROGEN_PARENTS):
            found[(length < _BONDED) & (z[nearest] == element)] = number
        parents[hydrogens] = found
    return parents
