"""Layers, heads and the loss of the graph generator."""

from torch_afm.nn.aggr import GatedAggregation
from torch_afm.nn.conv import RecurrentRelationalConv
from torch_afm.nn.heads import BondHead, ClassHead, PositionHead, StepPrediction
from torch_afm.nn.image import AFMEncoder, ConvBlock, FoldedConv3d, QueryAttentionGate
from torch_afm.nn.loss import GeneratorLoss, LossTerms

__all__ = [
    "AFMEncoder",
    "BondHead",
    "ClassHead",
    "ConvBlock",
    "FoldedConv3d",
    "GatedAggregation",
    "GeneratorLoss",
    "LossTerms",
    "PositionHead",
    "QueryAttentionGate",
    "RecurrentRelationalConv",
    "StepPrediction",
]
