"""A network that finds the missing atoms where they are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Conv2d, Linear
from torch_geometric.data import Batch
from torch_geometric.nn import MLP

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.data.bonds import BOND_TOLERANCE
from torch_afm.elements import ORGANIC, AtomClasses, covalent_radius
from torch_afm.models.pretrained import Pretrained
from torch_afm.nn import (
    GatedAggregation,
    GatedUNet,
    GraphHead,
    MapGrid,
    SpatialPrediction,
    StepPrediction,
    class_planes,
)
from torch_afm.utils import InputError, check_shape

#: Bounds of predicted log-variances: standard deviations from 0.02 to 2.7 Å.
LOG_VAR = (-8.0, 2.0)

_SCAN = Scan(pixels=(64, 64))
_MAPS = 7  # a plane: heat, three coordinates, three log-variances


@dataclass(frozen=True)
class SpatialGeneratorConfig:
    """The network of :class:`SpatialGenerator`; the defaults are the preset ``spatial``.

    Args:
        scan: the scan that both stacks come from.
        groups: elements of each atom class, as in :class:`torch_afm.elements.AtomClasses`.
        z_min: depth in Å of the surface cut below the top atom at z = 0: atoms above it are the answer.
        z_context: depth in Å down to which atoms are predicted, as context of the answer.
        stride: pixels of the stacks for one of the maps, along x and y.
        channels: channels of the levels of the U-Net, finest first.
        query_channels: size of the graph encoding that steers the gates.
        sigma: width in Å of the Gaussians that atoms are painted with, and are learnt as.
        difference: give the network the difference of the two stacks, besides both.
        painting: paint the graph so far into the image plane.
    """

    scan: Scan = _SCAN
    groups: tuple[tuple[str, ...], ...] = tuple((symbol,) for symbol in ORGANIC)
    z_min: float = -0.7
    z_context: float = -3.0
    stride: int = 2
    channels: tuple[int, ...] = (48, 80, 112, 128)
    query_channels: int = 32
    sigma: float = 0.5
    difference: bool = True
    painting: bool = True

    def __post_init__(self) -> None:
        if not self.z_context <= self.z_min < 0:
            raise InputError(
                f"z_min, z_context: expected z_context <= z_min < 0 Å, got {self.z_min} and {self.z_context}"
            )
        if self.stride not in (1, 2, 4) or not self.channels or not self.sigma > 0:
            raise InputError(
                "stride, channels, sigma: expected 1, 2 or 4, a level at least, and a positive width, "
                f"got {self.stride}, {self.channels} and {self.sigma}"
            )
        multiple = self.stride * 2 ** (len(self.channels) - 1)
        if any(n % multiple for n in self.scan.pixels):
            raise InputError(f"scan: expected pixels in multiples of {multiple}, got {self.scan.pixels}")
        AtomClasses(self.groups)


class SpatialGenerator(Pretrained):
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
    :math:`\mathbf{s}` of each coordinate, and for each class how likely the atom is of it. Of the atoms of
    the graph so far, :class:`~torch_afm.nn.GraphHead` tells the bonds, where they really are, and whether.
    Atoms are predicted down to :obj:`z_context`; those below :obj:`z_min` are context.

    Args:
        config (SpatialGeneratorConfig): The network, and the scan that it expects.

    Shapes:
        - **input:** graphs with :obj:`z`, :obj:`pos` and normalised stacks :obj:`reference` and
          :obj:`simulated` :math:`(B, 1, Z, Y, X)`, batched or a single one
        - **output:** :class:`~torch_afm.nn.SpatialPrediction`
    """

    Config = SpatialGeneratorConfig
    config: SpatialGeneratorConfig

    def __init__(self, config: SpatialGeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.classes = AtomClasses(config.groups)
        self.grid = MapGrid.from_scan(config.scan, config.stride)
        kinds, width, query = len(config.groups), config.channels[0], config.query_channels
        self.node_encoder = Linear(3 + kinds, query)
        self.readout = GatedAggregation(query, query, query)
        self.planes = class_planes(self.classes)
        self.num_planes = int(self.planes.max()) + 1
        images, painted = 2 + config.difference, (kinds + 1) * config.painting
        self.unet = GatedUNet(images * config.scan.n_slices, painted, config.channels, query, config.stride)
        self.head = Conv2d(width, _MAPS * self.num_planes, 1)
        self.kind_head = Conv2d(width, kinds, 1)
        self.stop_head = MLP([2 * width + self.num_planes, 32, 1], norm=None)
        self.graph_head = GraphHead(width + kinds + 1)

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

    def forward(self, data: AFMData | Batch) -> SpatialPrediction:
        for name in ("reference", "simulated"):
            check_shape(name, data[name], (None, 1, *self.config.scan.shape))
        reference, simulated = data.reference[:, 0], data.simulated[:, 0]
        num_graphs, kinds = len(simulated), len(self.config.groups)
        batch = data.batch if "batch" in data else torch.zeros_like(data.z)
        label = self.classes.of(data.z) - 1

        with torch.autocast(simulated.device.type, enabled=False):
            one_hot = torch.nn.functional.one_hot(label, kinds)
            nodes = self.node_encoder(torch.cat([data.pos, one_hot], dim=-1)).relu()
            query = self.readout(nodes, batch, dim_size=num_graphs)
            painted = self.grid.paint(data.pos, label, batch, num_graphs, kinds, self.config.sigma)
        if not self.config.painting:
            painted = painted[:, :0]
        images = [reference, simulated]
        if self.config.difference:
            images.append(reference - simulated)
        features = self.unet(torch.cat(images, dim=1), painted, query)

        with torch.autocast(simulated.device.type, enabled=False):
            features = features.float()
            maps = self.head(features).unflatten(1, (self.num_planes, _MAPS))
            heat, kind = maps[:, :, 0], self.kinds(features)
            pooled = [features.mean(dim=(2, 3)), features.amax(dim=(2, 3)), heat.amax(dim=(2, 3))]
            stop = self.stop_head(torch.cat(pooled, dim=1)).squeeze(1)
            atoms = self.grid.sample(features, data.pos, batch)
            said = self.graph_head(torch.cat([atoms, data.pos[:, 2:], one_hot], dim=-1), data.pos, batch)
            said = said._replace(move_log_var=said.move_log_var.clamp(*LOG_VAR))
        return SpatialPrediction(heat, kind, maps[:, :, 1:4], maps[:, :, 4:].clamp(*LOG_VAR), stop, said)

    def kinds(self, features: Tensor) -> Tensor:
        """Log-probability of each class among those of its plane, ``[B, K, Y, X]``."""
        logits = self.kind_head(features)
        kind = torch.empty_like(logits)
        for plane in range(self.num_planes):
            own = self.planes == plane
            kind[:, own] = logits[:, own].log_softmax(dim=1)
        return kind

    def step(self, data: AFMData | Batch) -> StepPrediction:
        """The most certain missing visible atom of each graph, said as a :class:`GraphGenerator` would say
        it, so that the tables of single-atom steps are made of either network. Its bonds are those that
        distances make likely (:func:`~torch_afm.data.covalent_bonds`)."""
        out = self(data)
        num_graphs, width = len(out.heat), self.grid.shape[1]
        shown = out.heat.masked_fill(out.position[:, :, 2] < self.config.z_min, -torch.inf).flatten(1)
        best, size = shown.argmax(dim=1), out.heat[0, 0].numel()
        plane, pixel = best // size, best % size
        graph, row, column = torch.arange(num_graphs, device=plane.device), pixel // width, pixel % width
        x, y = self.grid.axes(out.heat)
        pos = out.position[graph, plane, :, row, column] + torch.stack(
            [x[column], y[row], 0 * x[column]], dim=1
        )

        ended = out.stop.sigmoid()[:, None]
        own = self.planes.to(plane.device) == plane[:, None]
        kind = out.kind[graph, :, row, column].exp() * own
        shares = torch.cat([ended, (1 - ended) * kind], dim=1)
        batch = data.batch if "batch" in data else torch.zeros_like(data.z)
        new = self.classes.representative(kind.argmax(dim=1) + 1)[batch]
        reach = out.heat.new_tensor(
            [
                covalent_radius(a) + covalent_radius(b) + BOND_TOLERANCE
                for a, b in zip(new.tolist(), data.z.tolist(), strict=True)
            ]
        )
        apart = (data.pos - pos[batch]).norm(dim=1)
        return StepPrediction(shares.clamp(min=1e-12).log(), pos, (reach - apart) / 0.1)
