"""Readouts: node features to graph features."""

from torch_afm.nn.aggr.gated import GatedAggregation

__all__ = ["GatedAggregation"]
