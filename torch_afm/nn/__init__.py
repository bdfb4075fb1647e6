"""Layers, heads and losses of the generators."""

import torch_afm.nn.templates  # noqa: F401 - it cleans up when the process ends
from torch_afm.nn.aggr import GatedAggregation
from torch_afm.nn.conv import RecurrentRelationalConv
from torch_afm.nn.graph_head import GraphHead, GraphOutput
from torch_afm.nn.heads import (
    BondHead,
    ClassHead,
    PositionHead,
    ScanPrediction,
    SpatialPrediction,
    StepPrediction,
    class_log_probabilities,
    class_planes,
)
from torch_afm.nn.image import (
    AFMEncoder,
    ConvBlock,
    FoldedConv3d,
    GatedUNet,
    MapGrid,
    MaskedBlock,
    MaskedUNet,
    PixelNorm,
    QueryAttentionGate,
    SkipGate,
)
from torch_afm.nn.relational_head import RelationalHead
from torch_afm.nn.scan_loss import ScanLoss, ScanLossTerms
from torch_afm.nn.sequential_loss import SequentialLoss, SequentialLossTerms
from torch_afm.nn.spatial_loss import SpatialLoss, SpatialLossTerms

__all__ = [
    "AFMEncoder",
    "BondHead",
    "ClassHead",
    "ConvBlock",
    "FoldedConv3d",
    "GatedAggregation",
    "GatedUNet",
    "GraphHead",
    "GraphOutput",
    "MapGrid",
    "MaskedBlock",
    "MaskedUNet",
    "PixelNorm",
    "PositionHead",
    "QueryAttentionGate",
    "RecurrentRelationalConv",
    "RelationalHead",
    "ScanLoss",
    "ScanLossTerms",
    "ScanPrediction",
    "SequentialLoss",
    "SequentialLossTerms",
    "SkipGate",
    "SpatialLoss",
    "SpatialLossTerms",
    "SpatialPrediction",
    "StepPrediction",
    "class_log_probabilities",
    "class_planes",
]
