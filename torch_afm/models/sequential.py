"""The network of the graph-AFM thesis, Aalto University (see CITATION.cff): two AFM stacks and a graph in,
the next atom out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor
from torch.nn import Linear, ModuleList
from torch_geometric.data import Batch
from torch_geometric.nn import MLP
from torch_geometric.nn.inits import reset

from torch_afm.config import SequentialGeneratorConfig, SequentialLossConfig
from torch_afm.data import AFMData
from torch_afm.models.base import Generator, Proposal
from torch_afm.nn import (
    AFMEncoder,
    BondHead,
    ClassHead,
    GatedAggregation,
    PositionHead,
    RecurrentRelationalConv,
    SequentialLoss,
    StepPrediction,
)
from torch_afm.utils import check_finite, check_shape

_HIDDEN = 32  # of the readout MLPs


class SequentialGenerator(Generator):
    r"""The generative graph model of the thesis (chapter 4, Figs. 4.1 to 4.4), after "Learning Deep
    Generative Models of Graphs" (Li et al., arXiv:1803.03324): given the stack of the sample, the graph so
    far and the stack of the graph so far, it says which atom to add, where, and with which bonds, or to stop.

    .. math::
        \mathbf{h}^0_v &= \mathbf{W}_e [\mathbf{r}_v \,\Vert\, \mathbf{c}_v] + \mathbf{b}_e, \qquad
        \mathbf{h}_V = \mathrm{prop}^3(\mathbf{h}^0_V), \qquad
        \mathbf{h}_G = \sum_v \sigma(g_m(\mathbf{h}_v)) \odot f_m(\mathbf{h}_v), \qquad
        \mathbf{q} = f_q(\mathbf{h}_G)

        \mathbf{x} &= [\mathrm{AFM}_r(\Delta f_\mathrm{reference}, \mathbf{q}) \,\Vert\,
        \mathrm{AFM}_s(\Delta f_\mathrm{simulated}, \mathbf{q}) \,\Vert\, \mathbf{h}_G]

        \boldsymbol{\ell} &= \mathrm{MLP}_c(\mathbf{x}), \qquad \mathbf{r} = \mathbf{s} \odot
        \mathrm{MLP}_r(\mathbf{x}), \qquad
        e_v = \mathrm{MLP}_b\left([\mathrm{prop}(\mathbf{h}_V)_v \,\Vert\, \mathbf{W}_e [\mathbf{r} \,\Vert\,
        \mathbf{p}] + \mathbf{b}_e]\right)

    prop is :class:`~torch_afm.nn.RecurrentRelationalConv`, the readout
    :class:`~torch_afm.nn.GatedAggregation`, AFM an :class:`~torch_afm.nn.AFMEncoder` (one for both stacks if
    :obj:`shared_encoder`). :math:`\mathbf{r}_v` is in Å, :math:`\mathbf{c}_v` the one-hot class of an atom,
    :math:`\mathbf{p}` the softmax over the same classes (*stop* is among them only with
    :obj:`stop_feature`). A graph without atoms is encoded as zeros.

    Under autocast the convolutions and the attention alone compute in low precision: the rest is small, and a
    position in bfloat16 would be rounded to 0.03 Å.

    Args:
        config (SequentialGeneratorConfig): The network, and the scan that it expects.

    Shapes:
        - **input:** graphs with :obj:`z`, :obj:`pos`, :obj:`edge_index`, normalized stacks :obj:`reference`
          and :obj:`simulated` :math:`(B, 1, Z, Y, X)`, batched or a single one
        - **output:** :class:`~torch_afm.nn.StepPrediction`
    """

    Config = SequentialGeneratorConfig
    LossConfig = SequentialLossConfig
    config: SequentialGeneratorConfig
    # Its decision is the most probable class: an atom that it prefers to stopping is accepted.
    confidence = 0.0
    sequential = True

    def __init__(self, config: SequentialGeneratorConfig) -> None:
        super().__init__(config)
        self.first_class = 0 if config.stop_feature else 1

        nodes, graphs, attention = config.node_channels, config.graph_channels, config.attention_channels
        self.node_encoder = Linear(3 + len(self.classes) - self.first_class, nodes)
        self.conv = RecurrentRelationalConv(nodes, config.message_channels)
        self.readout = GatedAggregation(nodes, _HIDDEN, graphs)
        self.query = MLP([graphs, graphs, attention], norm=None)
        self.image_encoders = ModuleList(
            AFMEncoder(
                n_slices=config.scan.n_slices,
                pixels=config.scan.pixels,
                volume_channels=config.volume_channels,
                map_channels=config.map_channels,
                attention_channels=attention,
                out_channels=config.image_channels,
                attention_kernel=config.attention_kernel,
                attention_scale=config.attention_scale,
                residual=config.residual,
                coordinates=config.coordinates,
            )
            for _ in range(1 if config.shared_encoder else 2)
        )
        encoding = 2 * config.image_channels + graphs
        (x0, x1), (y0, y1) = config.scan.window
        scale = ((x1 - x0) / 2, (y1 - y0) / 2, -config.z_min)
        self.class_head = ClassHead(encoding, len(self.classes), config.class_channels)
        self.position_head = PositionHead(encoding, scale, config.position_channels)
        self.bond_head = BondHead(nodes, config.bond_channels)

    @property
    def reference_encoder(self) -> AFMEncoder:
        return cast(AFMEncoder, self.image_encoders[0])

    @property
    def simulated_encoder(self) -> AFMEncoder:
        return cast(AFMEncoder, self.image_encoders[-1])

    def reset_parameters(self) -> None:
        self.node_encoder.reset_parameters()
        self.conv.reset_parameters()
        self.readout.reset_parameters()
        self.query.reset_parameters()
        for encoder in self.image_encoders:
            reset(encoder)
        self.class_head.reset_parameters()
        self.position_head.reset_parameters()
        self.bond_head.reset_parameters()

    def make_loss(self, config: SequentialLossConfig | None = None) -> SequentialLoss:
        return SequentialLoss(self.classes, self.config.z_min, config)

    def propose(self, graphs: Sequence[AFMData], views: int = 1) -> list[Proposal]:
        self.check_views(views)
        batch = Batch.from_data_list(
            [
                AFMData(
                    z=g.z, pos=g.pos, edge_index=g.edge_index, reference=g.reference, simulated=g.simulated
                )
                for g in graphs
            ]
        )
        out = StepPrediction(*(part.cpu() for part in self(batch.to(next(self.parameters()).device))))
        probabilities = out.class_logits.softmax(-1)
        check_finite("model: prediction", torch.cat([probabilities, out.pos], dim=1))
        bonds = out.edge_logits.sigmoid().split([len(g.z) for g in graphs])
        return [self._proposal(*parts) for parts in zip(probabilities, out.pos[:, None], bonds, strict=True)]

    def _proposal(self, probabilities: Tensor, pos: Tensor, bonds: Tensor) -> Proposal:
        stop, others = probabilities[:1], probabilities[None, 1:]
        atom = AFMData(
            z=self.classes.representative(others.argmax(dim=1) + 1),
            pos=pos,
            charge=torch.zeros(1),
            class_probabilities=others / others.sum(dim=1, keepdim=True),
            confidence=1 - stop,
        )
        return Proposal(atom, float(stop), int(probabilities.argmax()) == 0, bonds[None])

    def forward(self, data: AFMData | Batch) -> StepPrediction:
        for name in ("reference", "simulated"):
            check_shape(name, data[name], (None, 1, *self.config.scan.shape))
        features = self._encode(data)
        num_graphs = data.simulated.size(0)
        batch = data.batch if "batch" in data else torch.zeros_like(data.z)

        with torch.autocast(data.simulated.device.type, enabled=False):
            classes = torch.nn.functional.one_hot(self.classes.index_of(data.z), len(self.classes))
            h = self.node_encoder(torch.cat([data.pos, classes[:, self.first_class :]], dim=-1))
            for _ in range(self.config.propagations):
                h = self.conv(h, data.edge_index)
            graph = self.readout(h, batch, dim_size=num_graphs)
            query = self.query(graph)

        reference = self.reference_encoder.attend(features, query)
        simulated = self.simulated_encoder(data.simulated, query)

        with torch.autocast(data.simulated.device.type, enabled=False):
            x = torch.cat([reference, simulated, graph], dim=-1)
            class_logits = self.class_head(x)
            pos = self.position_head(x)
            probabilities = class_logits[:, self.first_class :].softmax(dim=-1)
            new = self.node_encoder(torch.cat([pos, probabilities], dim=-1))
            edge_logits = self.bond_head(self.conv(h, data.edge_index), new, batch)
        return StepPrediction(class_logits, pos, edge_logits)

    def _encode(self, data: AFMData | Batch) -> tuple[Tensor, ...]:
        """Feature maps of the reference stacks. Graphs of one molecule come one after the other with the same
        stack, which is encoded once."""
        stack = data.reference
        first = torch.ones(len(stack), dtype=torch.bool, device=stack.device)
        if "reference_id" in data:
            first[1:] = data.reference_id[1:] != data.reference_id[:-1]
        else:
            first[1:] = (stack[1:] != stack[:-1]).flatten(1).any(1)
        features = self.reference_encoder.trunk(stack[first])
        return features if first.all() else tuple(f[first.cumsum(0) - 1] for f in features)
