"""Refinement of a molecule by gradient through the simulator."""

from torch_afm.prediction.refinement.refine import refine
from torch_afm.prediction.refinement.result import RefinementResult
from torch_afm.prediction.refinement.scanner import ScannedModel, Scanner
from torch_afm.prediction.refinement.settings import RefinementSettings, Stage

__all__ = [
    "RefinementResult",
    "RefinementSettings",
    "ScannedModel",
    "Scanner",
    "Stage",
    "refine",
]
