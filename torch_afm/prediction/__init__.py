"""Turning a stack into a molecule graph, with the simulator in the loop."""

from torch_afm.config.generators import MAX_ATOMS
from torch_afm.prediction.beam import image_distance
from torch_afm.prediction.chemistry import GeometryPrior, can_join
from torch_afm.prediction.generate import generate
from torch_afm.prediction.islands import find_islands
from torch_afm.prediction.outcome import ScanPrediction
from torch_afm.prediction.pipeline import predict_structure
from torch_afm.prediction.refinement import RefinementResult, RefinementSettings, Stage, refine
from torch_afm.prediction.result import Prediction, Window, load_calibration
from torch_afm.prediction.rotations import Consistency, compare_predictions
from torch_afm.prediction.session import predict
from torch_afm.prediction.slices import HeightGuess, choose_slices, locate_slices
from torch_afm.prediction.stored import StoredPrediction, read_prediction
from torch_afm.prediction.tiles import Tile, island_tiles, scan_tiles, stitch
from torch_afm.prediction.verdict import Verdict, judge
from torch_afm.prediction.weights import choose_weights
from torch_afm.prediction.whole import predict_whole_scan
from torch_afm.prediction.windows import predict_scan

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
    "can_join",
    "choose_slices",
    "choose_weights",
    "compare_predictions",
    "find_islands",
    "generate",
    "image_distance",
    "island_tiles",
    "judge",
    "load_calibration",
    "locate_slices",
    "predict",
    "predict_scan",
    "predict_structure",
    "predict_whole_scan",
    "read_prediction",
    "refine",
    "scan_tiles",
    "stitch",
]
