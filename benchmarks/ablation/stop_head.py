"""The network for scans with a decision for the whole scan that nothing is missing any more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import Batch
from torch_geometric.nn import MLP

from torch_afm.config import ScanGeneratorConfig, ScanLossConfig
from torch_afm.data import AFMData
from torch_afm.models import Proposal, ScanGenerator
from torch_afm.nn import GraphOutput, MapGrid, ScanLoss, ScanPrediction

#: Weight of the decision in the loss, and the channels of its hidden layer: those of ``spatial``.
WEIGHT, HIDDEN = 0.5, 32


@dataclass(frozen=True)
class StopHeadConfig(ScanGeneratorConfig):
    """The settings of :class:`StopHeadGenerator`."""


class StopPrediction(NamedTuple):
    """A :class:`~torch_afm.nn.ScanPrediction`, and the logit ``stop`` ``[B]`` that no visible atom is
    missing."""

    heatmap: Tensor
    class_logits: Tensor
    position: Tensor
    log_var: Tensor
    parent_logits: Tensor
    measured: Tensor
    graph: GraphOutput
    stop: Tensor


class StopTerms(NamedTuple):
    """The terms of :class:`~torch_afm.nn.ScanLoss`, and the cross-entropy of the decision to stop."""

    total: Tensor
    heatmap: Tensor
    label: Tensor
    position: Tensor
    parent: Tensor
    bond: Tensor
    move: Tensor
    real: Tensor
    stop: Tensor


class StopLoss(ScanLoss):
    """:class:`~torch_afm.nn.ScanLoss` and the cross-entropy of *no measured atom above* ``z_min`` *is
    missing*."""

    z_min: float = -0.7

    def forward(self, out: StopPrediction, data: AFMData | Batch) -> StopTerms:
        terms = super().forward(ScanPrediction(*out[:-1]), data)
        visible = _visible(out, data, self.pitch) & (data.missing_pos[:, 2] >= self.z_min)
        none = torch.ones_like(out.stop)
        none[data.missing_graph[visible]] = 0
        stop = F.binary_cross_entropy_with_logits(out.stop, none)
        return StopTerms(terms.total + WEIGHT * stop, *terms[1:], stop)


class StopHeadGenerator(ScanGenerator):
    """A :class:`~torch_afm.models.ScanGenerator` that stops where a head on the mean and the maximum of the
    features of the whole scan, and the maximum of its logits, says so, as
    :class:`~torch_afm.models.SpatialGenerator` does."""

    Config = StopHeadConfig

    def __init__(self, config: StopHeadConfig) -> None:
        super().__init__(config)
        self.stop_head = MLP([2 * config.channels[0] + self.num_planes, HIDDEN, 1], norm=None)
        self._pooled: list[Tensor] = []

    def make_loss(self, config: ScanLossConfig | None = None) -> StopLoss:
        loss = StopLoss(self.classes, self.pitch, self.config.sigma, config)
        loss.z_min = self.config.z_min
        return loss

    def forward(self, data: AFMData | Batch) -> StopPrediction:
        out = super().forward(data)
        pooled, self._pooled = self._pooled, []
        with torch.autocast(out.heatmap.device.type, enabled=False):
            seen = torch.cat([*pooled, out.heatmap.amax(dim=(2, 3))], dim=1)
            return StopPrediction(*out, self.stop_head(seen).squeeze(1))

    def _features(self, image: Tensor, painted: Tensor, measured: Tensor) -> Tensor:
        features = super()._features(image, painted, measured)
        # Zero where nothing was measured.
        known, count = features.float(), measured.sum(dim=(2, 3)).clamp(min=1)
        self._pooled = [known.sum(dim=(2, 3)) / count, known.amax(dim=(2, 3))]
        return features

    def _proposal(self, graph: AFMData, out: StopPrediction) -> Proposal:
        stop = float(out.stop.sigmoid())
        return replace(super()._proposal(graph, ScanPrediction(*out[:-1])), stop=stop, done=stop > 0.5)


def _visible(out: StopPrediction, data: AFMData | Batch, pitch: tuple[float, float]) -> Tensor:
    """Which missing atoms lie at a pixel that was measured."""
    height, width = out.heatmap.shape[2:]
    column, row = MapGrid.centered((height, width), pitch).nearest(data.missing_pos)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    measured = out.measured[data.missing_graph, 0, row.clamp(0, height - 1), column.clamp(0, width - 1)]
    return inside & measured
