"""The loss of a spatial generator."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.config import SpatialLossConfig
from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.nn.heads import SpatialPrediction, class_planes
from torch_afm.nn.image import MapGrid
from torch_afm.nn.map_loss import Targets, around, focal_loss, found_loss, revision_loss, topmost


class SpatialLossTerms(NamedTuple):
    """The loss and its parts before their weights."""

    total: Tensor
    heatmap: Tensor
    label: Tensor
    position: Tensor
    stop: Tensor
    bond: Tensor
    move: Tensor
    real: Tensor


class SpatialLoss(torch.nn.Module):
    r"""The loss of a :class:`~torch_afm.models.SpatialGenerator`: all missing atoms are targets at once.

    .. math::
        \mathcal{L} = \mathcal{L}_\mathrm{heat} + w_c \mathcal{L}_\mathrm{label}
        + w_p \mathcal{L}_\mathrm{pos} + w_s \mathcal{L}_\mathrm{stop} + w_b \mathcal{L}_\mathrm{bond} +
        w_p \mathcal{L}_\mathrm{move} + w_r \mathcal{L}_\mathrm{real}

    **Heat**: the penalty-reduced focal loss of CornerNet (Law and Deng, arXiv:1808.01244, Eq. 1) and
    CenterNet (Zhou et al., arXiv:1904.07850, Eq. 1), with the pixel of each atom positive and the others
    discounted by a Gaussian :math:`y` around the atoms,

    .. math::
        \mathcal{L}_\mathrm{heat} = -\frac{1}{\sum_a v_a} \left[\sum_a v_a (1 - p_a)^2 \log p_a +
        \sum_{kyx \notin a} (1 - y_{kyx})^4 p_{kyx}^2 \log(1 - p_{kyx})\right].

    One pixel in a hundred is an atom's: a plain cross-entropy would be made up of easy background, and a
    squared distance to Gaussians would lose peaks among tails. Visible atoms have :math:`v_a = 1`; those
    below the surface cut, which the image shows less of, :obj:`context_weight`: they are the more numerous,
    and would otherwise be what is learned. Their confidence comes out lower for it.

    **Label**: the cross-entropy of the atom's class among those of its plane, at the atom's pixel and the
    eight around it. Classes have no weights: a rare element is a rare answer, and the shares given stay
    honest.

    **Position**: the Gaussian likelihood of x, y and z, a variance each (Kendall and Gall,
    arXiv:1703.04977), so that the network learns how well it knows each of them,

    .. math::
        \mathcal{L}_\mathrm{pos} = \frac{1}{\sum_a v_a} \sum_a v_a \sum_{n} \omega_{an} \sum_{i=1}^{3}
        \frac{1}{2} \left[s_{ani} + (r_{ani} - x_{ai})^2 e^{-s_{ani}}\right],

    over the atom's pixel and the eight around it, weighted by :math:`y` (:math:`\sum_n \omega_{an} = 1`): a
    peak may be one pixel off. Its gradients are larger than those of the heatmap by :math:`1/\sigma`, hence
    the small :math:`w_p`.

    **Stop**: the cross-entropy of *no visible atom is missing*. Deep atoms do not count: an image does
    not show whether some are left.

    **Bond**: the binary cross-entropy over pairs of atoms of the graph that are close enough, those with a
    bond and those without weighing the same in all: there are twice as many of the latter.

    **Move** and **real**: the same likelihood of where an atom of the graph really is, and the cross-entropy
    of whether it is: means over the atoms of :obj:`true_pos`, not a number for atoms that are not.

    Of atoms of a plane above each other (within 0.75 pixels' diagonals) the topmost alone is a target; the
    others become one once it is part of the graph.

    Args:
        classes (AtomClasses): The classes that are predicted.
        grid (MapGrid): The pixels of the maps.
        z_min (float, optional): Depth of the surface cut in Å. (default: :obj:`-0.7`)
        sigma (float, optional): Width of the Gaussians in Å. (default: :obj:`0.5`)
        config (SpatialLossConfig, optional): The weights: :obj:`context_weight`, :math:`w_p`
            (:obj:`position_weight`), :math:`w_s`, :math:`w_c` (:obj:`class_weight`),
            :math:`w_b`, :math:`w_r`.

    Shapes:
        - **input:** :class:`~torch_afm.nn.SpatialPrediction` of :math:`B` graphs, and those graphs with
          their bonds, :obj:`true_pos`, :obj:`missing_z` and :obj:`missing_pos`
        - **output:** :class:`SpatialLossTerms` of scalars
    """

    def __init__(
        self,
        classes: AtomClasses,
        grid: MapGrid,
        z_min: float = -0.7,
        sigma: float = 0.5,
        config: SpatialLossConfig | None = None,
    ) -> None:
        super().__init__()
        self.classes = classes
        self.grid = grid
        self.z_min = z_min
        self.sigma = sigma
        self.config = config or SpatialLossConfig()
        self.planes = class_planes(classes)

    def forward(self, out: SpatialPrediction, data: AFMData | Batch) -> SpatialLossTerms:
        graph = data.missing_graph
        pos, label = data.missing_pos, self.classes.index_of(data.missing_z) - 1
        visible = pos[:, 2] >= self.z_min
        stop = torch.ones_like(out.stop)
        stop[graph[visible]] = 0

        plane = self.planes.to(label.device)[label]
        target = topmost(self.grid, pos, graph * len(self.classes) + plane)
        pos, graph, label, plane, visible = (t[target] for t in (pos, graph, label, plane, visible))
        weight = torch.where(visible, 1.0, self.config.context_weight)
        scale = weight.sum().clamp(min=1)

        heatmap = self.heatmap(out.heatmap, pos, graph, plane, weight) / scale
        place = around(self.grid, pos, self.sigma)
        targets = Targets(graph, plane, label, weight)
        found = found_loss(out.class_logits, out.position, out.log_var, targets, place)
        cross_entropy, position = (term / scale for term in found)
        ended = F.binary_cross_entropy_with_logits(out.stop, stop)
        revision = revision_loss(out.graph, data)
        weights = self.config
        total = (
            heatmap
            + weights.class_weight * cross_entropy
            + weights.position_weight * position
            + weights.stop_weight * ended
            + weights.bond_weight * revision.bond
            + weights.position_weight * revision.move
            + weights.real_weight * revision.real
        )
        return SpatialLossTerms(total, heatmap, cross_entropy, position, ended, *revision)

    def heatmap(self, logits: Tensor, pos: Tensor, graph: Tensor, plane: Tensor, weight: Tensor) -> Tensor:
        """The sum of the focal loss over all pixels."""
        column, row = self.grid.nearest(pos)
        spread = torch.zeros_like(logits).flatten(0, 1)
        index = (graph * logits.size(1) + plane)[:, None, None].expand(-1, *self.grid.shape)
        spread.scatter_reduce_(0, index, self.grid.gaussians(pos, self.sigma).to(spread), "amax")
        spread = spread.view_as(logits)
        weights = torch.zeros_like(logits)
        weights[graph, plane, row, column] = weight.to(weights)
        return focal_loss(logits, spread, weights)

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(z_min={self.z_min}, sigma={self.sigma}, config={self.config})"
