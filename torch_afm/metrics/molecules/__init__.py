"""Scores of whole predictions: of each, of many, and as tables."""

import torch_afm.metrics.molecules.scores  # noqa: F401 - they register
from torch_afm.metrics.molecules.metrics import MoleculeMetrics
from torch_afm.metrics.molecules.record import CUTOFFS, MoleculeRecord, score_molecule
from torch_afm.metrics.molecules.registry import SCORES, Case, Score, score
from torch_afm.metrics.molecules.scores import Failures, duplicates, failures, first_is_top, shadowed
from torch_afm.metrics.molecules.tables import format_molecules

__all__ = [
    "CUTOFFS",
    "SCORES",
    "Case",
    "Failures",
    "MoleculeMetrics",
    "MoleculeRecord",
    "Score",
    "duplicates",
    "failures",
    "first_is_top",
    "format_molecules",
    "score",
    "score_molecule",
    "shadowed",
]
