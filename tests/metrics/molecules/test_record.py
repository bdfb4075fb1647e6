import dataclasses
import json

import pytest
import torch

from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.metrics.molecules import MoleculeRecord, score_molecule
from torch_afm.utils import InputError


def _line(*x):
    pos = torch.tensor([[v, 0.0, 0.0] for v in x]).reshape(-1, 3)
    return AFMData(
        z=torch.full((len(x),), 6), pos=pos, edge_index=torch.empty(2, 0, dtype=torch.long), charge=pos[:, 0]
    )


@pytest.fixture
def record() -> MoleculeRecord:
    return score_molecule(_line(0.0, 2.4), _line(0.1, 2.0, 4.0), "stop", AtomClasses(), molecule=7)


def test_atoms_are_counted_at_each_cutoff(record):
    assert record.atoms == [2, 3] and record.matched["blind"] == [1, 2, 2]
    assert record.f1 == pytest.approx([2 / 5, 4 / 5, 4 / 5])


def test_two_empty_graphs_agree():
    assert score_molecule(_line(), _line(), "stop", AtomClasses()).f1 == [1.0, 1.0, 1.0]


def test_it_comes_back_from_json(record):
    values = json.loads(json.dumps(record.to_dict()))
    assert MoleculeRecord.from_dict(values) == record


def test_records_of_before_a_score_was_known_are_read(record):
    values = record.to_dict()
    del values["edits"]
    assert MoleculeRecord.from_dict(values).scores == {k: v for k, v in record.scores.items() if k != "edits"}


def test_another_record_is_refused(record):
    values = {k: v for k, v in record.to_dict().items() if k != "matched"}
    with pytest.raises(InputError, match="values: expected a record of a prediction"):
        MoleculeRecord.from_dict(values)


def test_it_does_not_change(record):
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.ended = "repeat"
