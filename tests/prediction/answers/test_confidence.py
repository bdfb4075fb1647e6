"""Confidences of several answers against sums by hand."""

import dataclasses

import torch

from tests.prediction.answers.cases import CLASSES, CUT, as_prediction, predicted, stack_of
from torch_afm.metrics import Calibration
from torch_afm.prediction import RefinementSettings
from torch_afm.prediction.answers import find_answers
from torch_afm.prediction.answers.confidence import combine

C, N, H = 6, 7, 1
PLACES = torch.tensor([[0.0, 0, 0], [1.4, 0, 0], [-1.0, 0, 0]])


def answers(*graphs_and_weights):
    graph = predicted([C, N], PLACES[:2], [0.9] * 2)
    _, (one, *_) = find_answers(
        as_prediction(graph), stack_of(graph), 1, RefinementSettings.known(), Calibration(), CUT
    )
    return [dataclasses.replace(one, graph=g, weight=w) for g, w in graphs_and_weights]


def test_shares_of_the_weight_multiply_the_confidences():
    first = predicted([C, N, H], PLACES, [0.8, 0.6, 0.5])
    second = predicted([C, C], PLACES[:2] + 0.1, [0.8, 0.6])
    one, two = combine(answers((first, 0.75), (second, 0.25)), Calibration(), CLASSES)
    torch.testing.assert_close(one.graph.confidence, torch.tensor([0.8, 0.6, 0.5 * 0.75]))
    torch.testing.assert_close(two.graph.confidence, torch.tensor([0.8, 0.6]))
    share = dict(
        zip(map(tuple, one.graph.edge_index.T.tolist()), one.graph.bond_probability.tolist(), strict=True)
    )
    assert abs(share[0, 1] - 0.9) < 1e-6 and abs(share[0, 2] - 0.9 * 0.75) < 1e-6
    labels = CLASSES.index_of(torch.tensor([C, N])) - 1
    torch.testing.assert_close(one.graph.class_probabilities[1, labels], torch.tensor([0.125, 0.875]))
    torch.testing.assert_close(one.graph.class_probabilities[0], first.class_probabilities[0])


def test_a_single_answer_keeps_what_the_network_said():
    graph = predicted([C, N, H], PLACES, [0.8, 0.6, 0.5])
    (one,) = combine(answers((graph, 1.0)), Calibration(), CLASSES)
    for key in ("confidence", "class_probabilities", "bond_probability"):
        torch.testing.assert_close(one.graph[key], graph[key])
