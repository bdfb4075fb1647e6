"""Confidence of atoms, elements and bonds from several answers."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence

import torch

from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.metrics import Calibration, match_atoms
from torch_afm.prediction.answers.answer import CUTOFF, Answer
from torch_afm.prediction.result import calibrate


def combine(answers: Sequence[Answer], calibration: Calibration, classes: AtomClasses) -> tuple[Answer, ...]:
    r"""Answers whose visible graphs have the confidence of all answers,

    .. math::
        p_i = c_i \sum_k w_k [i \in k], \qquad
        q_{ie} = \tfrac12 \left(q^0_{ie} + \frac{\sum_k w_k [i \in k, e_i^k = e]}{\sum_k w_k [i \in k]}\right)

    for an atom, with its calibrated probability :math:`c_i` by the network and the weights :math:`w_k` of the
    answers that have it, within 0.5 Å; for its class, where answers do not agree on that, with the calibrated
    probabilities :math:`q^0` of the network; and for bonds as for atoms.

    Args:
        answers: with their weights.
        calibration: of the network.
        classes: likewise.
    """
    calibrated = [calibrate(answer.graph, calibration) for answer in answers]
    weights = [answer.weight for answer in answers]
    return tuple(
        dataclasses.replace(answer, graph=_combined(graph, calibrated, weights, classes))
        for answer, graph in zip(answers, calibrated, strict=True)
    )


def _combined(
    graph: AFMData, others: Sequence[AFMData], weights: Sequence[float], classes: AtomClasses
) -> AFMData:
    atoms, bonds = torch.zeros(len(graph.z)), torch.zeros(graph.edge_index.size(1))
    shares = torch.zeros_like(graph.class_probabilities)
    for other, weight in zip(others, weights, strict=True):
        matched = match_atoms(graph.pos, other.pos, CUTOFF)
        partner = torch.full((len(graph.z),), -1)
        partner[matched.pred] = matched.true
        there = partner >= 0
        atoms += weight * there
        bonded = {tuple(bond) for bond in other.edge_index.T.tolist()}
        ends = partner[graph.edge_index].T.tolist()
        bonds += weight * torch.tensor([float(tuple(bond) in bonded) for bond in ends])
        shares[there, classes.index_of(other.z[partner[there]]) - 1] += weight
    combined = copy.copy(graph)
    combined.confidence = graph.confidence * atoms
    combined.bond_probability = graph.bond_probability * bonds
    agreed = shares.amax(dim=1) >= atoms - 1e-6
    agreed &= shares.argmax(dim=1) == graph.class_probabilities.argmax(dim=1)
    mixed = (graph.class_probabilities + shares / atoms.clamp(min=1e-9)[:, None]) / 2
    combined.class_probabilities = torch.where(agreed[:, None], graph.class_probabilities, mixed)
    return combined
