"""How good a prediction is: single-atom steps and whole molecules."""

from torch_afm.metrics.matching import Matching, match_atoms

__all__ = ["Matching", "match_atoms"]
