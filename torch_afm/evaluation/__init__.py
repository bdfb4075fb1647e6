"""Predictors put to the test."""

from torch_afm.evaluation.trials import Trial, baselines, draw_trial, evaluate_predictions, score_trial

__all__ = ["Trial", "baselines", "draw_trial", "evaluate_predictions", "score_trial"]
