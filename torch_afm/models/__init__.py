"""Whole networks."""

from torch_afm.models.graph_generator import GraphGenerator
from torch_afm.nn import StepPrediction

__all__ = ["GraphGenerator", "StepPrediction"]
