"""The thesis' network: two AFM stacks and a graph in, the next atom out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor
from torch.nn import Linear, ModuleList
from torch_geometric.data import Batch
from torch_geometric.nn import MLP
from torch_geometric.nn.inits import reset

from torch_afm.config import GraphGeneratorConfig
from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.models.pretrained import Pretrained
from torch_afm.nn import (
    AFMEncoder,
    BondHead,
    ClassHead,
    GatedAggregation,
    PositionHead,
    RecurrentRelationalConv,
    StepPrediction,
)
from torch_afm.utils import check_shape

_HIDDEN = 32  # of the readout MLPs


class GraphGenerator(Pretrained):
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
        config (GraphGeneratorConfig): The network, and the scan that it expects.

    Shapes:
        - **input:** graphs with :obj:`z`, :obj:`pos`, :obj:`edge_index`, normalised stacks :obj:`reference`
          and :obj:`simulated` :math:`(B, 1, Z, Y, X)`, batched or a single one
        - **output:** :class:`~torch_afm.nn.StepPrediction`
    """

    Config = GraphGeneratorConfig
    config: GraphGeneratorConfig

    def __init__(self, config: GraphGeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.classes = AtomClasses(config.groups)
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

    def forward(self, data: AFMData | Batch) -> StepPrediction:
        # Mutants of one molecule come one after the other with the same reference stack: it is encoded once.
        stack = data.reference
        first = torch.ones(len(stack), dtype=torch.bool, device=stack.device)
        first[1:] = (stack[1:] != stack[:-1]).flatten(1).any(1)
        features = self.encode_reference(stack[first])
        if not first.all():
            features = tuple(f[first.cumsum(0) - 1] for f in features)
        return self.step(features, data)

    def encode_reference(self, stack: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of normalised reference stacks ``[B, 1, Z, Y, X]``. They do not depend on the graph:
        compute them once a generation, or once for all graphs of one molecule (B = 1)."""
        check_shape("reference", stack, (None, 1, *self.config.scan.shape))
        return self.reference_encoder.trunk(stack)

    def step(self, features: Sequence[Tensor], data: AFMData | Batch) -> StepPrediction:
        """The prediction for graphs with their ``simulated`` stacks, given ``encode_reference`` of their
        reference stacks."""
        check_shape("simulated", data.simulated, (None, 1, *self.config.scan.shape))
        num_graphs = data.simulated.size(0)
        batch = data.batch if "batch" in data else torch.zeros_like(data.z)

        with torch.autocast(data.simulated.device.type, enabled=False):
            classes = torch.nn.functional.one_hot(self.classes.of(data.z), len(self.classes))
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
