"""Refinement of a molecule by gradient through the simulator."""

from torch_afm.generation.refinement.refine import refine
from torch_afm.generation.refinement.result import RefinementResult
from torch_afm.generation.refinement.settings import RefinementSettings, Stage

__all__ = [
    "RefinementResult",
    "RefinementSettings",
    "Stage",
    "refine",
]
