"""Predictors that have learned nothing: what a trained network has to beat."""

from __future__ import annotations

import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan
from torch_afm.elements import AtomClasses
from torch_afm.nn import StepPrediction


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
