"""How sure a prediction is of its atoms and bonds, and how near its image is."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.generation.greedy import Generation
from torch_afm.generation.spatial import SpatialGeneration
from torch_afm.metrics import Calibration, agreement
from torch_afm.metrics.calibration import Platt
from torch_afm.models.pretrained import weights_folder

#: Name of the file beside the weights.
FILE = "calibration.json"


def load_calibration(weights: str | Path) -> Calibration:
    """The calibration beside the weights of a name or folder; where there is none, one that changes
    nothing.

    Raises:
        InputError: for a file that holds none.
    """
    file = weights_folder(weights) / FILE
    return Calibration.load(file) if file.exists() else Calibration()


def with_confidence(
    generation: Generation | SpatialGeneration, calibration: Calibration | None = None
) -> AFMData:
    r"""The generated graph with probabilities on its atoms and bonds: ``confidence`` ``[N]``, that there is
    an atom; ``class_probabilities`` ``[N, K]`` of the classes without *stop*; ``bond_probability`` ``[E]``,
    one an entry of ``edge_index``; and ``sigma`` ``[N, 3]`` in Å where the network tells.

    Of a network that places one atom at a time these are the probabilities of its step: :math:`1 -
    p_\mathrm{stop}`, the others relative to that, and that of the bond. A graph with bonds by distance has
    for each the product of the confidences of its ends.

    Args:
        generation: what was generated.
        calibration: corrects what the network says; nothing is corrected without.
    """
    graph = copy.copy(generation.graph)
    if isinstance(generation, Generation):
        _read_steps(graph, generation)
    if "bond_probability" not in graph:
        graph.bond_probability = graph.confidence[graph.edge_index].prod(dim=0)
    if calibration is not None:
        graph.confidence = _corrected(calibration.atom, graph.confidence)
        graph.bond_probability = _corrected(calibration.bond, graph.bond_probability)
        graph.class_probabilities = _classes(calibration.label, graph.class_probabilities)
        if "sigma" in graph:
            graph.sigma = graph.sigma * graph.sigma.new_tensor(calibration.sigma)
    return graph


def mean_pearson(simulated: Tensor, reference: Tensor) -> float:
    """Pearson's r of a simulated stack with the reference, the mean of the slices.

    Shapes:
        both ``[1, 1, Z, Y, X]``.
    """
    scores = agreement(simulated[0, 0].cpu().numpy(), reference[0, 0].cpu().numpy())
    return float(np.mean(scores["pearson"]))


def _read_steps(graph: AFMData, generation: Generation) -> None:
    n = graph.z.numel()
    steps = generation.steps[:n]
    p = (
        torch.stack([step.class_probabilities for step in steps])
        if n
        else torch.empty(0, len(generation.classes))
    )
    graph.confidence = 1 - p[:, 0]
    graph.class_probabilities = p[:, 1:] / p[:, 1:].sum(dim=1, keepdim=True)
    ends = graph.edge_index.sort(dim=0).values.T.tolist()
    graph.bond_probability = torch.tensor([float(steps[new].edge_probabilities[old]) for old, new in ends])


def _corrected(platt: Platt, p: Tensor) -> Tensor:
    return torch.from_numpy(np.asarray(platt(p.double().numpy()))).to(p.dtype)


def _classes(platt: Platt, p: Tensor) -> Tensor:
    """The probability of the most probable class corrected, the rest in the same proportions."""
    if not p.numel():
        return p
    best, label = p.max(dim=1, keepdim=True)
    wanted = _corrected(platt, best)
    rest = p * ((1 - wanted) / (1 - best).clamp(min=1e-9))
    return rest.scatter(1, label, wanted)
