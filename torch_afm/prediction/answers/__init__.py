"""Several answers to what a scan shows, with their weights."""

from torch_afm.prediction.answers.answer import Answer, evidence_margin, same_structure
from torch_afm.prediction.answers.completion import complete
from torch_afm.prediction.answers.search import find_answers

__all__ = ["Answer", "complete", "evidence_margin", "find_answers", "same_structure"]
