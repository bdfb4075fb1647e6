"""When two structures are one."""

import dataclasses

import torch

from tests.prediction.answers.cases import CLASSES, CUT, SCAN, as_prediction, predicted, stack_of
from torch_afm.metrics import Calibration
from torch_afm.prediction import RefinementSettings
from torch_afm.prediction.answers import evidence_margin, find_answers, same_structure

C, N = 6, 7
PLACES = torch.tensor([[0.0, 0, 0], [1.4, 0, 0], [2.8, 0, 0]])


def test_structures_are_the_same_in_any_order_and_a_little_moved():
    a = predicted([C, N, C], PLACES, [0.9] * 3)
    order = torch.tensor([2, 0, 1])
    b = predicted(a.z[order], PLACES[order] + 0.05, [0.1] * 3)
    assert same_structure(a, b) and same_structure(b, a)


def test_other_elements_places_numbers_or_bonds_make_others():
    a = predicted([C, N, C], PLACES, [0.9] * 3)
    assert not same_structure(a, predicted([C, C, C], PLACES, [0.9] * 3))
    assert not same_structure(a, predicted([C, N, C], PLACES + 0.6, [0.9] * 3))
    assert not same_structure(a, predicted([C, N], PLACES[:2], [0.9] * 2))
    cut = predicted([C, N, C], PLACES, [0.9] * 3)
    cut.edge_index = cut.edge_index.flip(1)
    assert same_structure(a, cut)
    cut.edge_index = torch.tensor([[0, 1, 0, 2], [1, 0, 2, 0]])
    assert not same_structure(a, cut)


def test_the_margin_is_that_to_an_answer_that_is_unlike():
    graph = predicted([C] * 5, torch.arange(5)[:, None] * torch.tensor([1.4, 0, 0]), [0.9] * 5)
    _, (one, *_) = find_answers(
        as_prediction(graph), stack_of(graph), 1, RefinementSettings.known(), Calibration(), CUT
    )
    alike = predicted([C] * 4 + [N], graph.pos, [0.9] * 5)
    unlike = predicted([C, C, N, N, N], graph.pos, [0.9] * 5)
    several = [
        dataclasses.replace(one, graph=g, evidence=e) for g, e in ((graph, 9.0), (alike, 7.0), (unlike, 4.0))
    ]
    assert evidence_margin(several) == 5.0
    assert evidence_margin(several[:2]) is None and evidence_margin([]) is None


def test_records_are_plain_numbers():
    graph = predicted([C, N], PLACES[:2], [0.9] * 2)
    settings = dataclasses.replace(RefinementSettings.known(), stride=2)
    _, (answer, *_) = find_answers(as_prediction(graph), stack_of(graph), 1, settings, Calibration(), CUT)
    record = answer.to_dict(CLASSES)
    assert [atom["element"] for atom in record["atoms"]] == ["C", "N"] and record["weight"] == 1
    added = [int(n) for n in answer.fields(1)["completed"].split()]
    assert added == list(range(3, len(answer.molecule.z) + 1)) and answer.fields(1)["name"] == "answer 1"
    assert len(added) == record["hydrogens_added"] and answer.imaging.scan == SCAN
