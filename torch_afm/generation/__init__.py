"""Turning a stack into a molecule graph, with the simulator in the loop."""

from torch_afm.generation.baselines import baselines
from torch_afm.generation.confidence import image_agrees, load_calibration, with_confidence
from torch_afm.generation.generate import generate
from torch_afm.generation.greedy import MAX_ATOMS, Generation, GenerationStep, generate_greedy
from torch_afm.generation.physics import GeometryPrior, allowed
from torch_afm.generation.refinement import RefinementResult, RefinementSettings, Stage, refine
from torch_afm.generation.spatial import SpatialGeneration, SpatialStep, find_atoms, generate_spatial
from torch_afm.generation.trials import Trial, draw_trial, evaluate_predictions, score_trial

__all__ = [
    "MAX_ATOMS",
    "Generation",
    "GenerationStep",
    "GeometryPrior",
    "RefinementResult",
    "RefinementSettings",
    "SpatialGeneration",
    "SpatialStep",
    "Stage",
    "Trial",
    "allowed",
    "baselines",
    "draw_trial",
    "evaluate_predictions",
    "find_atoms",
    "generate",
    "generate_greedy",
    "generate_spatial",
    "image_agrees",
    "load_calibration",
    "refine",
    "score_trial",
    "with_confidence",
]
