"""Calibrated probabilities of a predicted graph, and the agreement of its image."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.functional import pearson
from torch_afm.metrics import Calibration
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


def calibrate(graph: AFMData, calibration: Calibration) -> AFMData:
    """The graph with corrected probabilities of its atoms and bonds, and standard deviations.

    Args:
        graph: with ``confidence``, ``class_probabilities``, ``bond_probability`` and, where the network gives
            it, ``sigma``, as a :class:`torch_afm.generation.Prediction` has it.
        calibration: of the network.
    """
    graph = copy.copy(graph)
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
    return float(pearson(simulated.cpu(), reference.cpu()).mean())


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
