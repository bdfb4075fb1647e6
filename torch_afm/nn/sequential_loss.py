"""The training loss of a single-atom step."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import Batch
from torch_geometric.utils import to_dense_batch

from torch_afm.config import SequentialLossConfig
from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.nn.heads import StepPrediction


class SequentialLossTerms(NamedTuple):
    """The loss and its parts before their weights, as table 5.1 of the graph-AFM thesis, Aalto University
    (see CITATION.cff), lists them (the position part contains the depth discount)."""

    total: Tensor
    position: Tensor
    node: Tensor
    edge: Tensor


class SequentialLoss(torch.nn.Module):
    r"""The loss of the thesis, section 4.3, Eqs. 4.9 to 4.12. The missing atom **nearest** to the predicted
    position is the target, with its class and its bonds; where nothing is missing the class is *stop* and
    there is neither position nor bond to learn.

    .. math::
        \mathcal{L} &= \mathcal{L}_\mathrm{pos} + w_n \mathcal{L}_\mathrm{node}
        + w_e \mathcal{L}_\mathrm{edge}

        \mathcal{L}_\mathrm{pos} &= d \, \lVert \mathbf{r}_\mathrm{true} - \mathbf{r}_\mathrm{pred} \rVert^2,
        \qquad d = 1 - \frac{z_\mathrm{true}}{2 z_\mathrm{min}}

    :math:`\mathcal{L}_\mathrm{node}` is the cross-entropy of the class, :math:`\mathcal{L}_\mathrm{edge}` the
    binary cross-entropy of a bond to each atom of the graph, averaged over those. Each part is the mean over
    the graphs that it applies to: position, those with an atom missing; node, all; edge, those with an atom
    missing and an atom there. A part that applies to no graph of a batch is zero.

    Args:
        classes (AtomClasses): The classes that are predicted.
        z_min (float, optional): Depth of the surface cut in Å, below the top atom at z = 0.
            (default: :obj:`-0.7`)
        config (SequentialLossConfig, optional): The weights :math:`w_n`, :math:`w_e`; the thesis' by default.

    Shapes:
        - **input:** a :class:`~torch_afm.nn.StepPrediction` of :math:`B` graphs, and those graphs with
          :obj:`missing_z`, :obj:`missing_pos`, :obj:`missing_edge_index`
        - **output:** :class:`SequentialLossTerms` of scalars
    """

    def __init__(
        self,
        classes: AtomClasses,
        z_min: float = -0.7,
        config: SequentialLossConfig | None = None,
    ) -> None:
        super().__init__()
        self.classes = classes
        self.z_min = z_min
        self.config = config or SequentialLossConfig()

    def forward(self, out: StepPrediction, data: AFMData | Batch) -> SequentialLossTerms:
        num_graphs = out.class_logits.size(0)
        target, has_target = self.nearest(out.pos, data)

        true = data.missing_pos[target]
        discount = 1 - true[:, 2] / (2 * self.z_min)
        squares = (out.pos[has_target] - true).square().sum(dim=-1)
        position = (discount * squares).sum() / max(1, target.numel())

        label = torch.zeros(num_graphs, dtype=torch.long, device=out.pos.device)
        label[has_target] = self.classes.index_of(data.missing_z[target])
        node = F.cross_entropy(out.class_logits, label)

        # A single graph that was never batched has none.
        batch = torch.zeros_like(data.z) if data.batch is None else data.batch
        is_target = torch.zeros(data.missing_z.numel(), dtype=torch.bool, device=target.device)
        is_target[target] = True
        missing, present = data.missing_edge_index
        bonded = torch.zeros_like(out.edge_logits)
        bonded[present[is_target[missing]]] = 1
        atoms = torch.bincount(batch, minlength=num_graphs)
        applies = (has_target & (atoms > 0)).to(bonded.dtype)
        weight = applies / (atoms * applies.sum()).clamp(min=1)
        edge = F.binary_cross_entropy_with_logits(out.edge_logits, bonded, weight[batch], reduction="sum")

        total = position + self.config.node_weight * node + self.config.edge_weight * edge
        return SequentialLossTerms(total, position, node, edge)

    def nearest(self, pos: Tensor, data: AFMData | Batch) -> tuple[Tensor, Tensor]:
        r"""The missing atom nearest to each predicted position of the same graph.

        Returns:
            Indices of the atoms, for the graphs that miss any, and the mask ``[B]`` of those graphs.
        """
        graph = data.missing_graph
        counts = torch.bincount(graph, minlength=pos.size(0))
        squares = (data.missing_pos - pos.detach()[graph]).square().sum(dim=-1)
        width = max(1, int(counts.max()))
        dense, _ = to_dense_batch(squares, graph, torch.inf, width, pos.size(0))
        has_target = counts > 0
        return (counts.cumsum(0) - counts + dense.argmin(dim=1))[has_target], has_target

    def __repr__(self) -> str:
        return f"{self.__class__.__name__}(z_min={self.z_min}, config={self.config})"
