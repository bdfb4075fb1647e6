"""Turning a stack into a molecule graph, with the simulator in the loop."""

from torch_afm.config.generators import MAX_ATOMS
from torch_afm.generation.beam import image_distance
from torch_afm.generation.confidence import load_calibration
from torch_afm.generation.consistency import Consistency, consistency, turned_back
from torch_afm.generation.generate import generate
from torch_afm.generation.islands import find_islands
from torch_afm.generation.physics import GeometryPrior, allowed
from torch_afm.generation.pipeline import predict_structure
from torch_afm.generation.refinement import RefinementResult, RefinementSettings, Stage, refine
from torch_afm.generation.result import Prediction
from torch_afm.generation.scans import ScanPrediction, TilePrediction, predict_scan
from torch_afm.generation.slices import Look, choose_slices, known_slices
from torch_afm.generation.tiles import Tile, island_tiles, scan_tiles, stitch
from torch_afm.generation.verdict import Verdict, judge

__all__ = [
    "MAX_ATOMS",
    "Consistency",
    "GeometryPrior",
    "Look",
    "Prediction",
    "RefinementResult",
    "RefinementSettings",
    "ScanPrediction",
    "Stage",
    "Tile",
    "TilePrediction",
    "Verdict",
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
    "predict_scan",
    "predict_structure",
    "refine",
    "scan_tiles",
    "stitch",
    "turned_back",
]
