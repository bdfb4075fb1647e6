"""Predictors put to the test."""

from torch_afm.evaluation.baselines import brightest_pixel, random_atom, stop_at_once
from torch_afm.evaluation.steps import evaluate_steps

__all__ = ["brightest_pixel", "evaluate_steps", "random_atom", "stop_at_once"]
