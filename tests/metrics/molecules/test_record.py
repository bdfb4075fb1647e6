import json

import pytest
import torch

from tests.metrics.molecules.graphs import on_a_line
from torch_afm.elements import AtomClasses
from torch_afm.metrics.molecules import MoleculeRecord, score_molecule
from torch_afm.utils import InputError


def test_the_numbers_of_one_prediction():
    truth = on_a_line(0.0, 1.5, 3.0, z=[8, 6, 1], bonds=[(0, 1), (1, 2)])
    predicted = on_a_line(0.25, 1.5, 9.0, z=[1, 6, 1], bonds=[(0, 1), (1, 2)])
    record = score_molecule(predicted, truth, "stop", AtomClasses(), molecule=3)
    assert (record.molecule, record.ended, record.atoms, record.placed) == (3, "stop", [3, 3], 3)
    assert record.matched == {"blind": [2, 2, 2], "aware": [1, 1, 1], "lateral": [2, 2, 2]}
    assert record.errors == [[0.25, 0, 0], [0, 0, 0]]
    # Rows H, heavy, extra; columns H, heavy, missing.
    assert sorted(record.classes) == [[0, 2], [1, 0], [1, 1], [2, 0]]
    assert record.bonds == [2, 2, 1]
    assert record.f1 == pytest.approx([2 / 3] * 3)


def test_a_record_is_plain_numbers_and_comes_back():
    scores = {"prediction": {"mse": [1.0], "pearson": [0.5]}}
    record = score_molecule(
        on_a_line(0.0),
        on_a_line(0.1),
        "stop",
        AtomClasses(),
        context=(on_a_line(5.0, 7.0), on_a_line(5.1)),
        images=scores,
        pearson=0.9,
    )
    values = json.loads(json.dumps(record.to_dict()))
    assert values["context"] == [2, 1, 1] and values["images"] == scores and values["edits"] == 0
    assert MoleculeRecord.from_dict(values) == record
    del values["ended"]
    with pytest.raises(InputError, match=r"^values: expected a record"):
        MoleculeRecord.from_dict(values)


def test_what_was_not_given_is_left_out():
    values = score_molecule(on_a_line(0.0), on_a_line(0.1), "stop", AtomClasses()).to_dict()
    assert "context" not in values and "images" not in values and values["pearson"] is None


def test_confidence_is_kept_beside_what_was_so():
    graph = on_a_line(0.0, 5.0, bonds=[(0, 1)])
    graph.confidence = torch.tensor([0.75, 0.5])
    graph.class_probabilities = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    graph.sigma = torch.full((2, 3), 0.25)
    graph.bond_probability = torch.tensor([0.625, 0.625])
    assert score_molecule(graph, on_a_line(0.1), "stop", AtomClasses()).calibration == {
        "atom": [[0.75, 0.5], [1, 0]],
        "label": [[0.75], [1]],
        "bond": [[0.625], [0]],
        "sigma": [[0.25] * 3],
    }
