"""Turning a stack into a molecule graph, with the simulator in the loop."""

from torch_afm.config.generators import MAX_ATOMS
from torch_afm.generation.beam import image_distance
from torch_afm.generation.chemistry import GeometryPrior, allowed
from torch_afm.generation.confidence import load_calibration
from torch_afm.generation.consistency import Consistency, consistency
from torch_afm.generation.generate import generate
from torch_afm.generation.islands import find_islands
from torch_afm.generation.outcome import ScanPrediction
from torch_afm.generation.pipeline import predict_structure
from torch_afm.generation.refinement import RefinementResult, RefinementSettings, Stage, refine
from torch_afm.generation.result import Prediction, Window
from torch_afm.generation.session import predict
from torch_afm.generation.slices import HeightGuess, choose_slices, known_slices
from torch_afm.generation.stored import StoredPrediction, read_prediction
from torch_afm.generation.tiles import Tile, island_tiles, scan_tiles, stitch
from torch_afm.generation.verdict import Verdict, judge
from torch_afm.generation.windows import predict_scan

__all__ = [
    "MAX_ATOMS",
    "Consistency",
    "GeometryPrior",
    "HeightGuess",
    "Prediction",
    "RefinementResult",
    "RefinementSettings",
    "ScanPrediction",
    "Stage",
    "StoredPrediction",
    "Tile",
    "Verdict",
    "Window",
    "allowed",
    "choose_slices",
    "consistency",
    "find_islands",
    "generate",
    "image_distance",
    "island_tiles",
    "judge",
    "known_slices",
    "load_calibration",
    "predict",
    "predict_scan",
    "predict_structure",
    "read_prediction",
    "refine",
    "scan_tiles",
    "stitch",
]
