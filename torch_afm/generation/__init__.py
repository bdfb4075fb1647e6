"""Turning a stack into a molecule graph, with the simulator in the loop."""

from torch_afm.generation.generate import generate
from torch_afm.generation.greedy import MAX_ATOMS, Generation, GenerationStep, generate_greedy
from torch_afm.generation.spatial import SpatialGeneration, SpatialStep, find_atoms, generate_spatial

__all__ = [
    "MAX_ATOMS",
    "Generation",
    "GenerationStep",
    "SpatialGeneration",
    "SpatialStep",
    "find_atoms",
    "generate",
    "generate_greedy",
    "generate_spatial",
]
