"""Whole networks."""

from torch_afm.models.base import Generator, Proposal, Revision, SearchNode, Step
from torch_afm.models.registry import load_generator, make_generator
from torch_afm.models.scan import ScanGenerator
from torch_afm.models.sequential import SequentialGenerator
from torch_afm.models.spatial import SpatialGenerator
from torch_afm.models.style_translator import StyleTranslator

__all__ = [
    "Generator",
    "Proposal",
    "Revision",
    "ScanGenerator",
    "SearchNode",
    "SequentialGenerator",
    "SpatialGenerator",
    "Step",
    "StyleTranslator",
    "load_generator",
    "make_generator",
]
