"""Predictors run over the steps of a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch_geometric.data import Batch
from tqdm import tqdm

from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.metrics.step import StepMetrics
from torch_afm.nn import StepPrediction

#: What turns collated steps into predictions, as a :class:`torch_afm.models.GraphGenerator` does.
Predictor = Callable[[Batch], StepPrediction]


class Steps(Protocol):
    """What :class:`torch_afm.datasets.AFMDataset` gives."""

    classes: AtomClasses
    z_min: float
    rotations: int
    mutants: int

    def __getitems__(self, keys: Sequence[tuple[int, int]]) -> Sequence[AFMData]: ...


@torch.no_grad()
def evaluate_steps(
    predictors: Mapping[str, Predictor], dataset: Steps, indices: Sequence[int], batch_size: int = 32
) -> dict[str, StepMetrics]:
    """Score predictors on the same steps, which are rendered once for all.

    Args:
        predictors: what to score, by name; a network must be in evaluation mode.
        dataset: the steps.
        indices: which of them.
        batch_size: steps rendered and predicted at a time; scores do not depend on it.

    Returns:
        The scores of each, with the molecule of every step.
    """
    metrics = {name: StepMetrics(dataset.classes, dataset.z_min) for name in predictors}
    for start in tqdm(range(0, len(indices), batch_size), desc="evaluate", unit="batch", disable=None):
        part = list(indices[start : start + batch_size])
        batch = Batch.from_data_list(list(dataset.__getitems__([(0, i) for i in part])))
        molecule = np.array(part) // (dataset.rotations * dataset.mutants)
        for name, predict in predictors.items():
            metrics[name].update(predict(batch), batch, molecule)
    return metrics
