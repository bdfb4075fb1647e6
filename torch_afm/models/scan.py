"""A network that finds the missing atoms of a scan of any size."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Conv2d
from torch_geometric.data import Batch

from torch_afm.config import ScanGeneratorConfig, ScanLossConfig
from torch_afm.data import AFMData
from torch_afm.models.base import Generator, Proposal, Revision
from torch_afm.models.peaks import find_atoms
from torch_afm.models.single_step import strongest_atom
from torch_afm.models.spatial import MIN_CONFIDENCE
from torch_afm.models.views import predict_views
from torch_afm.nn import (
    MapGrid,
    MaskedUNet,
    RelationalHead,
    ScanLoss,
    ScanPrediction,
    StepPrediction,
    class_log_probabilities,
    class_planes,
)
from torch_afm.nn.heads import HYDROGEN_PARENTS
from torch_afm.utils import InputError, check_finite, check_shape

#: Logit that an atom is missing where nothing was measured.
_NOWHERE = -30.0

#: Pixels of an image that the U-Net sees at once in evaluation.
_STRIP = 2**19

#: Bounds of the logarithm of a variance in Å²: sharper than 0.05 Å, single atoms would outweigh all others.
LOG_VAR = (-6.0, 2.0)

_MAPS = 7  # a plane: heatmap, three coordinates, three log-variances


class ScanGenerator(Generator):
    r"""A generator for constant-height scans of any size: reference and simulated stack, where the reference
    was measured, and the graph so far in; maps of **all** missing atoms out.

    .. math::
        \mathbf{m} &= \mathrm{UNet}\left([\mathbf{v} \odot \Delta f_r \,\Vert\, \mathbf{v} \odot \Delta f_s
        \,\Vert\, \mathbf{v} \odot (\Delta f_r - \Delta f_s) \,\Vert\, \mathbf{v} \,\Vert\, A],
        \mathrm{paint}(G)\right)

        [\boldsymbol{\ell} \,\Vert\, \boldsymbol{\mu} \,\Vert\, \mathbf{s} \,\Vert\, \mathbf{c}
        \,\Vert\, \mathbf{h}]_{yx} &= \mathbf{W}_h \mathbf{m}_{yx} + \mathbf{b}_h, \qquad
        [\ell_{uv}, \Delta\mathbf{r}_v, \ell_v] = \mathrm{RelationalHead}([\mathbf{m}(x_v, y_v) \,\Vert\, z_v
        \,\Vert\, \mathbf{c}_v])

    Slices are channels of a :class:`~torch_afm.nn.MaskedUNet`, beside the validity :math:`\mathbf{v}` of
    each slice and pixel and the oscillation amplitude :math:`A` in Å, 0 where it is unknown. The graph is
    painted into the image plane (:meth:`~torch_afm.nn.MapGrid.paint`). For each plane (hydrogen; all heavier
    elements) and map pixel there is a logit :math:`\ell` that an atom is missing there, its position
    :math:`\boldsymbol{\mu}` in Å and the log-variance :math:`\mathbf{s}` of each coordinate, how likely it
    belongs to each class, :math:`\mathbf{c}`, and which element a hydrogen is bonded to, :math:`\mathbf{h}`.
    Of the atoms of the graph so far, :class:`~torch_afm.nn.RelationalHead` gives the bonds, where they really
    are, and whether. Atoms are predicted down to :obj:`z_context`, the deeper the less confidently.

    Everything is a convolution with a :attr:`receptive_field` of a few Å, so that the same weights read an
    image of any size, and a part of it as the whole, beyond that distance from where it was cut. What is not
    valid has no influence, and nothing is missing there.

    Args:
        config (ScanGeneratorConfig): The network, and the scan that it is trained on.

    Shapes:
        - **input:** graphs with :obj:`z`, :obj:`pos` and normalized stacks :obj:`reference` and
          :obj:`simulated` :math:`(B, 1, Z, Y, X)`, batched or a single one; :math:`Y` and :math:`X` are
          multiples of the settings' :obj:`multiple`, and x = y = 0 is the middle of the image. They may have
          :obj:`valid` :math:`(B, 1, Z, Y, X)`, booleans (all by default), and :obj:`amplitude` :math:`(B)` in
          Å, 0 where it is unknown (that of the scan by default)
        - **output:** :class:`~torch_afm.nn.ScanPrediction`
    """

    Config = ScanGeneratorConfig
    LossConfig = ScanLossConfig
    config: ScanGeneratorConfig
    confidence = 0.45
    whole_scan = True

    def __init__(self, config: ScanGeneratorConfig) -> None:
        super().__init__(config)
        x, y = config.scan.pixel_size
        self.pitch = (config.stride * x, config.stride * y)
        num_classes, width = len(config.groups), config.channels[0]
        self.planes = class_planes(self.classes)
        self.num_planes = int(self.planes.max()) + 1
        self.unet = MaskedUNet(4 * config.scan.n_slices + 1, num_classes + 1, config.channels)
        self.head = Conv2d(width, _MAPS * self.num_planes, 1)
        self.class_head = Conv2d(width, num_classes, 1)
        self.parent_head = Conv2d(width, len(HYDROGEN_PARENTS), 1)
        self.graph_head = RelationalHead(width + num_classes + 1)

        self.reset_parameters()

    def reset_parameters(self) -> None:
        for layer in (self.unet, self.head, self.class_head, self.parent_head, self.graph_head):
            layer.reset_parameters()
        # Few pixels have an atom, and nobody knows where: as rare, and as vague, as they are at first.
        bias = self.head.get_parameter("bias").data.view(-1, _MAPS)
        bias[:, 0] = -3.0
        bias[:, 4:] = -2.0

    @property
    def views(self) -> tuple[int, ...]:
        """One; four mirror images and half turns; those turned by a quarter, too."""
        return (1, 4, 8)

    @property
    def receptive_field(self) -> float:
        """Pixels of a stack, along x or y, from the middle of a map's pixel to the farthest that its values
        depend on; atoms that are painted are seen from 4 ``sigma`` farther."""
        return self.unet.receptive_field

    def make_loss(self, config: ScanLossConfig | None = None) -> ScanLoss:
        return ScanLoss(self.classes, self.pitch, self.config.sigma, config)

    def propose(self, graphs: Sequence[AFMData], views: int = 1) -> list[Proposal]:
        outs = predict_views(self, [self._padded(graph) for graph in graphs], self.check_views(views))
        return [self._proposal(graph, out) for graph, out in zip(graphs, outs, strict=True)]

    def _padded(self, graph: AFMData) -> AFMData:
        """The graph with pixels that are not valid around its image, where that has no multiple of pixels;
        its middle stays."""
        shape = tuple(graph.reference.shape[3:])
        y, x = (-n % self.config.multiple for n in shape)
        if y % 2 or x % 2:
            raise InputError(f"reference: expected even numbers of pixels along x and y, got {shape}")
        padded = copy.copy(graph)
        if "valid" not in graph:
            padded.valid = torch.ones_like(graph.reference, dtype=torch.bool)
        for key in ("reference", "simulated", "valid"):
            padded[key] = F.pad(padded[key], (x // 2, x // 2, y // 2, y // 2))
        return padded

    def _proposal(self, graph: AFMData, out: ScanPrediction) -> Proposal:
        atoms = find_atoms(out, self._grid(out), self.classes, MIN_CONFIDENCE)
        visible = atoms.confidence[atoms.pos[:, 2] >= self.config.z_min]
        # Nobody decides it for a whole scan: the most certain missing atom does.
        stop = 1 - float(visible.max()) if len(visible) else 1.0
        head = out.graph
        revised = Revision(graph.pos + head.move, head.real.sigmoid(), head.pairs, head.bond.sigmoid())
        # A pixel of the maps for each of the image, without what that was padded with.
        maps = out.heatmap[0].sigmoid()
        maps = maps.repeat_interleave(self.config.stride, 1).repeat_interleave(self.config.stride, 2)
        (height, width), (y, x) = graph.reference.shape[-2:], maps.shape[-2:]
        top, left = (y - height) // 2, (x - width) // 2
        maps = maps[:, top : top + height, left : left + width]
        return Proposal(atoms, stop, not len(atoms.z), revised=revised, maps=maps)

    def forward(self, data: AFMData | Batch) -> ScanPrediction:
        reference, simulated, valid, amplitude = self._inputs(data)
        num_graphs, num_classes = len(simulated), len(self.config.groups)
        batch = data.batch if "batch" in data else torch.zeros_like(data.z)
        label = self.classes.index_of(data.z) - 1

        # A number where nothing is valid could be any, and no product of it with 0 need be 0.
        reference, simulated = (stack.masked_fill(~valid, 0) for stack in (reference, simulated))
        shown = valid.any(dim=1, keepdim=True)
        image = torch.cat(
            [
                reference,
                simulated,
                reference - simulated,
                valid.to(reference),
                amplitude.view(-1, 1, 1, 1) * shown,
            ],
            dim=1,
        )
        measured = F.max_pool2d(shown.float(), self.config.stride) > 0
        grid = MapGrid.centered(measured.shape[2:], self.pitch)
        with torch.autocast(simulated.device.type, enabled=False):
            one_hot = F.one_hot(label, num_classes)
            painted = grid.paint(data.pos, label, batch, num_graphs, num_classes, self.config.sigma)
        features = self._features(image, painted, measured)

        with torch.autocast(simulated.device.type, enabled=False):
            features = features.to(reference)
            maps = self.head(features).unflatten(1, (self.num_planes, _MAPS))
            atoms = grid.sample(features, data.pos, batch)
            graph = self.graph_head(torch.cat([atoms, data.pos[:, 2:], one_hot], dim=-1), data.pos, batch)
            return ScanPrediction(
                heatmap=maps[:, :, 0].masked_fill(~measured, _NOWHERE),
                class_logits=class_log_probabilities(self.class_head(features), self.planes),
                position=maps[:, :, 1:4],
                log_var=maps[:, :, 4:].clamp(*LOG_VAR),
                parent_logits=self.parent_head(features).log_softmax(dim=1),
                measured=measured,
                graph=graph._replace(move_log_var=graph.move_log_var.clamp(*LOG_VAR)),
            )

    def _features(self, image: Tensor, painted: Tensor, measured: Tensor) -> Tensor:
        """The features of the U-Net, of a large image in strips of rows, with as much around each as it
        depends on: memory is bounded, and nothing shows at the seams."""
        multiple, stride, height = self.config.multiple, self.config.stride, image.size(2)
        halo = math.ceil(self.receptive_field / multiple) * multiple
        rows = max(_STRIP // image.size(3) // multiple * multiple - 2 * halo, multiple)
        if torch.is_grad_enabled() or rows >= height:
            features: Tensor = self.unet(image, painted, measured)
            return features
        strips = []
        for first in range(0, height, rows):
            last = min(first + rows, height)
            low, high = max(first - halo, 0), min(last + halo, height)
            part = slice(low // stride, high // stride)
            strip = self.unet(image[:, :, low:high], painted[:, :, part], measured[:, :, part])
            strips.append(strip[:, :, (first - low) // stride : (last - low) // stride])
        return torch.cat(strips, dim=2)

    def _inputs(self, data: AFMData | Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Reference, simulated stack, validity ``[B, Z, Y, X]`` and amplitude ``[B]`` of what is right."""
        reference, simulated = data.reference, data.simulated
        check_shape("reference", reference, (None, 1, self.config.scan.n_slices, None, None))
        check_shape("simulated", simulated, tuple(reference.shape))
        multiple = self.config.multiple
        if any(n == 0 or n % multiple for n in reference.shape[3:]):
            raise InputError(
                f"reference: expected pixels in multiples of {multiple}, got {tuple(reference.shape[3:])} "
                "(y, x); pad it with pixels that are not valid, as propose does"
            )
        if "valid" in data:
            check_shape("valid", data.valid, tuple(reference.shape))
            if data.valid.dtype != torch.bool:
                raise InputError(f"valid: expected booleans, got {data.valid.dtype}")
            valid = data.valid
        else:
            valid = torch.ones_like(reference, dtype=torch.bool)
        if "amplitude" in data:
            amplitude = data.amplitude.to(reference)
            check_shape("amplitude", amplitude, (len(reference),))
            check_finite("amplitude", amplitude)
        else:
            amplitude = reference.new_full((len(reference),), self.config.scan.amplitude)
        return reference[:, 0], simulated[:, 0], valid[:, 0], amplitude

    def _grid(self, out: ScanPrediction) -> MapGrid:
        """The pixels of the maps of a prediction."""
        return MapGrid.centered(out.heatmap.shape[2:], self.pitch)

    def predict_step(self, data: AFMData | Batch) -> StepPrediction:
        """A single-atom step, as in :func:`~torch_afm.models.single_step.strongest_atom`."""
        out = self(data)
        return strongest_atom(out, data, self._grid(out), self.classes, self.config.z_min)
