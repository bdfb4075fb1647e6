"""A network that finds the missing atoms where they are."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import Conv2d, Linear
from torch_geometric.data import Batch
from torch_geometric.nn import MLP

from torch_afm.config import SpatialGeneratorConfig, SpatialLossConfig
from torch_afm.data import AFMData
from torch_afm.models.base import Generator, Proposal, Revision
from torch_afm.models.peaks import find_atoms
from torch_afm.models.single_step import strongest_atom
from torch_afm.models.views import predict_views
from torch_afm.nn import (
    GatedAggregation,
    GatedUNet,
    GraphHead,
    MapGrid,
    SpatialLoss,
    SpatialPrediction,
    StepPrediction,
    class_log_probabilities,
    class_planes,
)
from torch_afm.utils import check_shape

#: Bounds of predicted log-variances: standard deviations from 0.02 to 2.7 Å.
LOG_VAR = (-8.0, 2.0)

#: Confidence of the least certain atoms that are proposed.
MIN_CONFIDENCE = 0.15

_MAPS = 7  # a plane: heatmap, three coordinates, three log-variances


class SpatialGenerator(Generator):
    r"""A generator that keeps the geometry of the image: reference and simulated stack and the graph so far
    in, maps of **all** missing atoms out.

    .. math::
        \mathbf{h}_G &= \sum_v \sigma(g_m(\mathbf{h}_v)) \odot f_m(\mathbf{h}_v), \qquad
        \mathbf{h}_v = \mathrm{ReLU}(\mathbf{W} [\mathbf{r}_v \,\Vert\, \mathbf{c}_v] + \mathbf{b})

        \mathbf{m} &= \mathrm{UNet}([\Delta f_r \,\Vert\, \Delta f_s \,\Vert\, \Delta f_r - \Delta f_s],
        \mathrm{paint}(G), \mathbf{h}_G)

        [\boldsymbol{\ell} \,\Vert\, \boldsymbol{\mu} \,\Vert\, \mathbf{s}]_{kyx} &=
        (\mathbf{W}_h \ast \mathbf{m})_{kyx}, \qquad
        \ell_\mathrm{stop} = \mathrm{MLP}([\mathrm{mean}_{yx}\, \mathbf{m} \,\Vert\,
        \max_{yx} \mathbf{m} \,\Vert\, \max_{yx} \boldsymbol{\ell}])

        [\ell_{uv}, \Delta\mathbf{r}_v, \ell_v] &= \mathrm{GraphHead}([\mathbf{m}(x_v, y_v) \,\Vert\, z_v
        \,\Vert\, \mathbf{c}_v])

    Slices are channels of a :class:`~torch_afm.nn.GatedUNet`; the graph enters twice, painted into the image
    plane (:meth:`~torch_afm.nn.MapGrid.paint`) and, by :class:`~torch_afm.nn.GatedAggregation`, as the query
    of its gates. For each plane (hydrogen; all heavier elements) and map pixel there is a logit :math:`\ell`
    that an atom is missing there, its position :math:`\boldsymbol{\mu}` in Å and the log-variance
    :math:`\mathbf{s}` of each coordinate, and for each class how likely the atom belongs to it. Of the atoms
    of the graph so far, :class:`~torch_afm.nn.GraphHead` gives the bonds, where they really are, and whether.
    Atoms are predicted down to :obj:`z_context`; those below :obj:`z_min` are context.

    Args:
        config (SpatialGeneratorConfig): The network, and the scan that it expects.

    Shapes:
        - **input:** graphs with :obj:`z`, :obj:`pos` and normalized stacks :obj:`reference` and
          :obj:`simulated` :math:`(B, 1, Z, Y, X)`, batched or a single one
        - **output:** :class:`~torch_afm.nn.SpatialPrediction`
    """

    Config = SpatialGeneratorConfig
    LossConfig = SpatialLossConfig
    config: SpatialGeneratorConfig
    # The best F1 of the weights ``spatial`` on validation molecules.
    confidence = 0.45

    def __init__(self, config: SpatialGeneratorConfig) -> None:
        super().__init__(config)
        self.grid = MapGrid.from_scan(config.scan, config.stride)
        num_classes, width, query = len(config.groups), config.channels[0], config.query_channels
        self.node_encoder = Linear(3 + num_classes, query)
        self.readout = GatedAggregation(query, query, query)
        self.planes = class_planes(self.classes)
        self.num_planes = int(self.planes.max()) + 1
        images, painted = 2 + config.difference, (num_classes + 1) * config.painting
        self.unet = GatedUNet(images * config.scan.n_slices, painted, config.channels, query, config.stride)
        self.head = Conv2d(width, _MAPS * self.num_planes, 1)
        self.kind_head = Conv2d(width, num_classes, 1)
        self.stop_head = MLP([2 * width + self.num_planes, 32, 1], norm=None)
        self.graph_head = GraphHead(width + num_classes + 1)

        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.node_encoder.reset_parameters()
        self.readout.reset_parameters()
        self.unet.reset_parameters()
        self.head.reset_parameters()
        self.kind_head.reset_parameters()
        self.graph_head.reset_parameters()
        self.stop_head.reset_parameters()
        # Few pixels have an atom, and nobody knows where: as rare, and as vague, as they are at first.
        bias = self.head.get_parameter("bias").data.view(-1, _MAPS)
        bias[:, 0] = -3.0
        bias[:, 4:] = -2.0

    @property
    def views(self) -> tuple[int, ...]:
        """One; four mirror images and half turns; on a square also those turned by a quarter."""
        (height, width), (x, y) = self.grid.shape, self.grid.pitch
        return (1, 4, 8) if height == width and abs(x - y) <= 1e-6 else (1, 4)

    def make_loss(self, config: SpatialLossConfig | None = None) -> SpatialLoss:
        return SpatialLoss(self.classes, self.grid, self.config.z_min, self.config.sigma, config)

    def propose(self, graphs: Sequence[AFMData], views: int = 1) -> list[Proposal]:
        outs = predict_views(self, graphs, self.check_views(views))
        return [self._proposal(graph, out) for graph, out in zip(graphs, outs, strict=True)]

    def _proposal(self, graph: AFMData, out: SpatialPrediction) -> Proposal:
        atoms = find_atoms(out, self.grid, self.classes, MIN_CONFIDENCE)
        stop = float(out.stop.sigmoid())
        head = out.graph
        revised = Revision(graph.pos + head.move, head.real.sigmoid(), head.pairs, head.bond.sigmoid())
        return Proposal(atoms, stop, stop > 0.5, revised=revised, maps=out.heatmap[0].sigmoid())

    def forward(self, data: AFMData | Batch) -> SpatialPrediction:
        for name in ("reference", "simulated"):
            check_shape(name, data[name], (None, 1, *self.config.scan.shape))
        reference, simulated = data.reference[:, 0], data.simulated[:, 0]
        num_graphs, num_classes = len(simulated), len(self.config.groups)
        batch = data.batch if "batch" in data else torch.zeros_like(data.z)
        label = self.classes.index_of(data.z) - 1

        with torch.autocast(simulated.device.type, enabled=False):
            one_hot = torch.nn.functional.one_hot(label, num_classes)
            nodes = self.node_encoder(torch.cat([data.pos, one_hot], dim=-1)).relu()
            query = self.readout(nodes, batch, dim_size=num_graphs)
            painted = self.grid.paint(data.pos, label, batch, num_graphs, num_classes, self.config.sigma)
        if not self.config.painting:
            painted = painted[:, :0]
        images = [reference, simulated]
        if self.config.difference:
            images.append(reference - simulated)
        features = self.unet(torch.cat(images, dim=1), painted, query)

        with torch.autocast(simulated.device.type, enabled=False):
            features = features.float()
            maps = self.head(features).unflatten(1, (self.num_planes, _MAPS))
            heatmap = maps[:, :, 0]
            class_logits = class_log_probabilities(self.kind_head(features), self.planes)
            pooled = [features.mean(dim=(2, 3)), features.amax(dim=(2, 3)), heatmap.amax(dim=(2, 3))]
            stop = self.stop_head(torch.cat(pooled, dim=1)).squeeze(1)
            atoms = self.grid.sample(features, data.pos, batch)
            graph = self.graph_head(torch.cat([atoms, data.pos[:, 2:], one_hot], dim=-1), data.pos, batch)
            graph = graph._replace(move_log_var=graph.move_log_var.clamp(*LOG_VAR))
        return SpatialPrediction(
            heatmap, class_logits, maps[:, :, 1:4], maps[:, :, 4:].clamp(*LOG_VAR), stop, graph
        )

    def predict_step(self, data: AFMData | Batch) -> StepPrediction:
        """A single-atom step, as in :func:`~torch_afm.models.single_step.strongest_atom`."""
        out = self(data)
        return strongest_atom(out, data, self.grid, self.classes, self.config.z_min, out.stop.sigmoid())
