"""Whole networks."""

from torch_afm.models.graph_generator import GraphGenerator
from torch_afm.models.named import generator_config, generator_of, load_generator
from torch_afm.models.spatial_generator import SpatialGenerator, SpatialGeneratorConfig
from torch_afm.models.style_translator import StyleTranslator
from torch_afm.nn import SpatialPrediction, StepPrediction

__all__ = [
    "GraphGenerator",
    "SpatialGenerator",
    "SpatialGeneratorConfig",
    "SpatialPrediction",
    "StepPrediction",
    "StyleTranslator",
    "generator_config",
    "generator_of",
    "load_generator",
]
