"""Scores of single-atom steps, and their tables."""

from torch_afm.metrics.steps.metrics import StepMetrics
from torch_afm.metrics.steps.tables import format_steps, headline

__all__ = ["StepMetrics", "format_steps", "headline"]
