"""Turning a stack into a molecule graph, with the simulator in the loop."""

from torch_afm.generation.greedy import MAX_ATOMS, Generation, GenerationStep, generate_greedy

__all__ = ["MAX_ATOMS", "Generation", "GenerationStep", "generate_greedy"]
