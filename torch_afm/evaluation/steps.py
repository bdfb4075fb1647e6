"""Score predictors of single-atom steps on a data set, and predictors that have learned nothing."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.io.files import load_npz, write_whole
from torch_afm.metrics.steps.metrics import StepMetrics
from torch_afm.nn import StepPrediction
from torch_afm.progress import ProgressBar

#: What turns collated steps into predictions, as a :class:`torch_afm.models.SequentialGenerator` does.
Predictor = Callable[[Batch], StepPrediction]


class Steps(Protocol):
    """What :class:`torch_afm.datasets.StepDataset` gives."""

    classes: AtomClasses
    z_min: float

    def molecules_of(self, indices: Sequence[int]) -> np.ndarray: ...

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
        molecule = dataset.molecules_of(part)
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


def random_atom(
    batch: Batch, scan: Scan, classes: AtomClasses, generator: torch.Generator, z_min: float = -0.7
) -> StepPrediction:
    """An atom anywhere: its place uniform over the scan window and the depths visible, its class uniform over
    those of atoms, a bond to each atom there with probability 1/2.

    Args:
        batch: collated graphs.
        scan: scan whose window bounds x and y.
        classes: the classes that are predicted.
        generator: source of randomness.
        z_min: depth of the surface cut in Å.
    """
    low, high = torch.tensor([*scan.window, (z_min, 0.0)]).T
    pos = low + (high - low) * torch.rand(batch.num_graphs, 3, generator=generator)
    label = torch.randint(1, len(classes), (batch.num_graphs,), generator=generator)
    bonds = torch.rand(batch.num_nodes, generator=generator) - 0.5
    return StepPrediction(torch.nn.functional.one_hot(label, len(classes)).float(), pos, bonds)


def brightest_pixel(batch: Batch, scan: Scan, classes: AtomClasses) -> StepPrediction:
    """A hydrogen atom, without bonds, at the height of the top atom, under the brightest pixel of the nearest
    slice of the reference stack; the graph and its stack are not used.

    Args:
        batch: collated graphs with their ``reference`` stacks.
        scan: the scan of these stacks.
        classes: the classes that are predicted.
    """
    brightest = batch.reference[:, 0, -1].flatten(1).argmax(dim=1)
    row, column = (i.numpy() for i in (brightest // len(scan.x), brightest % len(scan.x)))
    pos = torch.zeros(batch.num_graphs, 3)
    pos[:, 0] = torch.as_tensor(scan.x[column])
    pos[:, 1] = torch.as_tensor(scan.y[row])
    label = classes.of(torch.ones(batch.num_graphs, dtype=torch.long))
    logits = torch.nn.functional.one_hot(label, len(classes)).float()
    return StepPrediction(logits, pos, -torch.ones(batch.num_nodes))


def stop_at_once(batch: Batch, classes: AtomClasses) -> StepPrediction:
    """*Stop* whatever there is to see (the position, due anyhow, is the middle of the window at the top
    atom's height; no bonds).

    Args:
        batch: collated graphs.
        classes: the classes that are predicted.
    """
    logits = torch.zeros(batch.num_graphs, len(classes))
    logits[:, 0] = 1
    return StepPrediction(logits, torch.zeros(batch.num_graphs, 3), -torch.ones(batch.num_nodes))
