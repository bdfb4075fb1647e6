"""How good a prediction is: single-atom steps and whole molecules."""

from torch_afm.metrics.baselines import brightest_pixel, random_atom, stop_at_once
from torch_afm.metrics.bootstrap import bootstrap
from torch_afm.metrics.evaluate import evaluate_steps
from torch_afm.metrics.matching import Matching, match_atoms
from torch_afm.metrics.molecules import MoleculeMetrics
from torch_afm.metrics.step import StepMetrics
from torch_afm.metrics.structure import FEATURES, StructureSettings, structure_features
from torch_afm.metrics.tables import THESIS, format_tables, headline

__all__ = [
    "FEATURES",
    "THESIS",
    "Matching",
    "MoleculeMetrics",
    "StepMetrics",
    "StructureSettings",
    "bootstrap",
    "brightest_pixel",
    "evaluate_steps",
    "format_tables",
    "headline",
    "match_atoms",
    "random_atom",
    "stop_at_once",
    "structure_features",
]
