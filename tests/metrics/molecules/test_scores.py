"""Duplicates, first atoms and failures."""

import dataclasses
import math

import pytest
import torch

from torch_afm.data import AFMData
from torch_afm.metrics import match_atoms
from torch_afm.metrics.molecules import duplicates, failures, first_is_top, shadowed
from torch_afm.metrics.molecules.scores import UNSEEN, nll


def _pos(*rows):
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 3)


def _atoms(pos):
    return AFMData(z=torch.full((len(pos),), 6), pos=pos)


def _names(*args, **kwargs):
    return {name for name, is_so in dataclasses.asdict(failures(*args, **kwargs)).items() if is_so}


def test_duplicates_are_counted_against_older_atoms():
    # The second and the fourth lie on the first; the fifth lies on the fourth alone.
    pos = _pos([0, 0, 0], [0.4, 0, 0], [5, 0, 0], [-0.3, 0, 0], [-0.7, 0, 0])
    assert duplicates(pos) == 3
    assert duplicates(pos[[0, 2]]) == duplicates(_pos()) == 0


def test_first_atom_is_the_top_one():
    true = _pos([0, 0, 0], [2, 0, -0.05], [4, 0, -0.5])
    assert first_is_top(_pos([0.3, 0, 0], [4, 0, 0]), _atoms(true)) is True
    assert first_is_top(_pos([2.3, 0, 0]), _atoms(true)) is True  # level with the highest
    assert first_is_top(_pos([4, 0, -0.5]), _atoms(true)) is False
    assert first_is_top(_pos([0, 0.6, 0]), _atoms(true)) is False  # too far away
    assert first_is_top(_pos(), _atoms(true)) is None and first_is_top(true, _atoms(_pos())) is None


def test_shadowed_atoms_have_a_higher_one_beside_them():
    # Below and 1 Å beside; below and 2 Å beside; as high.
    true = _pos([0, 0, 0], [1, 0, -0.5], [-2, 0, -0.5], [0, 1, -0.1])
    assert shadowed(true).tolist() == [False, True, False, False]
    assert shadowed(_pos()).tolist() == []


def test_failure_classes():
    true = _pos([0, 0, 0], [1, 0, -0.5], [3, 0, 0])
    assert _names(true, true, "stop") == set()
    assert _names(true[[0, 2]], true, "stop") == {"shadowed_missed"}
    assert _names(true[[0, 1]], true, "stop") == set()  # missed, but in the open
    flat = true * torch.tensor([1.0, 1, 0])
    # The depth is off by 0.5 Å, which still counts as found.
    assert _names(flat, true, "stop") == {"lost_z"}
    assert _names(true, true, "repeat") == {"repeats"}
    refused = torch.cat([true, true[:1] + 0.1])
    assert _names(true, true, "repeat", refused) == {"repeats"}
    assert _names(true, true, "stop", refused) == {"repeats"}
    assert _names(torch.cat([true, _pos([3.6, 0, 0])]), true, "stop") == {"piled_up"}
    assert _names(torch.cat([_pos([9, 0, 0]), true]), true, "stop") == {"wrong_first"}
    assert _names(_pos(), true, "stop") == {"shadowed_missed"}


def test_the_likelihood_of_the_truth_by_hand():
    # One found with the class right, one missing, one extra, and one found of another class, which was sure.
    graph = AFMData(z=torch.tensor([1, 6, 6]), pos=_pos([0, 0, 0], [3, 0, 0], [9, 0, 0]))
    graph.confidence = torch.tensor([0.9, 1.0, 0.2])
    graph.class_probabilities = torch.tensor([[0.75, 0.25], [0.0, 1.0], [0.5, 0.5]])
    truth = AFMData(z=torch.tensor([1, 1, 1]), pos=_pos([0.1, 0, 0], [3, 0, 0], [6, 0, 0]))
    matching = match_atoms(graph.pos, truth.pos)
    labels = torch.tensor([1, 2, 2]), torch.tensor([1, 1, 1])
    found = math.log(0.9 * 0.75) + math.log(0.99 * UNSEEN)
    assert nll(graph, truth, matching, labels) == pytest.approx(
        -(found + math.log(0.8) + math.log(UNSEEN)) / 3
    )


def test_silence_has_the_likelihood_of_what_is_not_mentioned():
    truth = _atoms(_pos([0, 0, 0], [3, 0, 0]))
    graph = AFMData.empty()
    labels = torch.empty(0, dtype=torch.long), torch.ones(2, dtype=torch.long)
    matching = match_atoms(graph.pos, truth.pos)
    assert nll(graph, truth, matching, labels) is None  # it says nothing of its probabilities
    graph.confidence, graph.class_probabilities = torch.empty(0), torch.empty(0, 2)
    assert nll(graph, truth, matching, labels) == pytest.approx(-math.log(UNSEEN))
    assert nll(graph, _atoms(_pos()), match_atoms(graph.pos, graph.pos), labels) is None
