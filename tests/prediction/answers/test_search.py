"""Answers to a scan whose molecule is known."""

import dataclasses

import torch

from tests.prediction.answers.cases import CUT, as_prediction, predicted, stack_of
from torch_afm.metrics import Calibration, match_atoms
from torch_afm.prediction import RefinementSettings
from torch_afm.prediction.answers import find_answers, same_structure
from torch_afm.testing import benzene

#: Positions are known to 0.03 Å: what is wrong with the image is what the structure has and lacks.
SETTINGS = dataclasses.replace(RefinementSettings.known(), sigma_scale=0.3)


def wrong():
    """Benzene without one hydrogen, which the network thought possible, and with a carbon too much."""
    truth = benzene()
    z, pos = truth.z.clone(), truth.pos.clone()
    hydrogen = int((z == 1).nonzero()[0])
    keep = torch.arange(len(z)) != hydrogen
    z = torch.cat([z[keep], torch.tensor([6])])
    pos = torch.cat([pos[keep], torch.tensor([[4.5, 4.5, 0.0]])])
    confidence = torch.full((len(z),), 0.95)
    confidence[-1] = 0.5
    graph = predicted(z, pos, confidence)
    proposed = predicted([1], truth.pos[[hydrogen]], [0.4])
    return truth, as_prediction(graph, proposed)


def test_edits_find_what_is_missing_and_too_much():
    truth, prediction = wrong()
    found, answers = find_answers(prediction, stack_of(truth), 4, SETTINGS, Calibration(), CUT)
    first = answers[0]
    matched = match_atoms(first.graph.pos, truth.pos, 0.5)
    assert len(first.graph.z) == len(truth.z) and len(matched.pred) == len(truth.z)
    assert torch.equal(first.graph.z[matched.pred], truth.z[matched.true])
    assert any("C removed" in edit for edit in first.edits) and any("H added" in e for e in first.edits)
    assert torch.equal(found.graph.pos, first.graph.pos) and found.z_top == first.imaging.z_top
    assert found.simulated.shape == (1, 1, *prediction.scan.shape)
    assert len(found.steps) == len(prediction.steps) + 1


def test_answers_are_distinct_and_their_weights_add_up_to_one():
    truth, prediction = wrong()
    _, answers = find_answers(prediction, stack_of(truth), 5, SETTINGS, Calibration(), CUT)
    assert 2 <= len(answers) <= 5
    evidence = [answer.evidence for answer in answers]
    assert evidence == sorted(evidence, reverse=True)
    expected = torch.tensor(evidence).div(4).softmax(0)
    torch.testing.assert_close(torch.tensor([a.weight for a in answers]), expected, rtol=1e-3, atol=1e-4)
    for i, a in enumerate(answers):
        assert not any(same_structure(a.graph, b.graph) for b in answers[i + 1 :])


def test_the_seed_decides_the_draws():
    truth, prediction = wrong()
    stack = stack_of(truth)
    runs = [find_answers(prediction, stack, 4, SETTINGS, Calibration(), CUT, seed=3)[1] for _ in range(2)]
    assert len(runs[0]) == len(runs[1])
    for a, b in zip(*runs, strict=True):
        assert torch.equal(a.graph.pos, b.graph.pos) and a.weight == b.weight


def test_nothing_has_no_answers():
    empty = as_prediction(predicted([], torch.empty(0, 3), []))
    found, answers = find_answers(empty, stack_of(benzene()), 3, SETTINGS, Calibration(), CUT)
    assert found is empty and answers == ()
