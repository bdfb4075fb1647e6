"""Predictors put to the test: single-atom steps, and whole predictions of stacks of known molecules."""

from torch_afm.evaluation.steps import brightest_pixel, evaluate_steps, random_atom, stop_at_once
from torch_afm.evaluation.trials import Trial, baselines, draw_trial, evaluate_predictions, score_trial

__all__ = [
    "Trial",
    "baselines",
    "brightest_pixel",
    "draw_trial",
    "evaluate_predictions",
    "evaluate_steps",
    "random_atom",
    "score_trial",
    "stop_at_once",
]
