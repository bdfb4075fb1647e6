"""Score predictors of single-atom steps on a data set."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch_geometric.data import Batch

from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.io.files import write_whole
from torch_afm.io.npz import load_npz
from torch_afm.metrics.steps.metrics import StepMetrics
from torch_afm.nn import StepPrediction
from torch_afm.progress import ProgressBar

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
    predictors: Mapping[str, Predictor],
    dataset: Steps,
    indices: Sequence[int],
    batch_size: int = 32,
    file: str | Path | None = None,
) -> dict[str, StepMetrics]:
    """Score predictors on the same steps, which are rendered once for all.

    Args:
        predictors: what to score, by name; a network must be in evaluation mode.
        dataset: the steps.
        indices: which of them.
        batch_size: steps rendered and predicted at a time; scores do not depend on it.
        file: where to keep what was found, after each batch (.npz); the first of ``indices`` that are there
            are taken from it, so that an evaluation that was interrupted goes on.

    Returns:
        The scores of each, with the molecule of every step.
    """
    metrics = {name: StepMetrics(dataset.classes, dataset.z_min) for name in predictors}
    if file is not None and Path(file).exists():
        metrics = _known(Path(file), predictors, dataset, len(indices))
    done = min(len(scored) for scored in metrics.values())
    starts = range(done, len(indices), batch_size)
    for start in ProgressBar(starts, desc="single steps", unit="batch", leave=False):
        part = list(indices[start : start + batch_size])
        batch = Batch.from_data_list(list(dataset.__getitems__([(0, i) for i in part])))
        molecule = np.array(part) // (dataset.rotations * dataset.mutants)
        for name, predict in predictors.items():
            metrics[name].update(predict(batch), batch, molecule)
        if file is not None:
            rows = {f"{name}/{key}": v for name in metrics for key, v in metrics[name].rows().items()}
            buffer = io.BytesIO()
            np.savez(buffer, **rows)  # type: ignore[arg-type]
            write_whole(Path(file), buffer.getvalue())
    return metrics


def _known(path: Path, names: Iterable[str], dataset: Steps, count: int) -> dict[str, StepMetrics]:
    """The scores of the first ``count`` steps that :func:`evaluate_steps` kept."""
    arrays = load_npz(path)
    metrics = {}
    for name in names:
        prefix = f"{name}/"
        rows = {k.removeprefix(prefix): v[:count] for k, v in arrays.items() if k.startswith(prefix)}
        metrics[name] = StepMetrics.from_rows(rows, dataset.classes, dataset.z_min)
    return metrics
