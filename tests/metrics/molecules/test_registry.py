"""A score of one's own."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from torch_afm.data import AFMData
from torch_afm.metrics import MoleculeMetrics
from torch_afm.metrics.molecules import SCORES, MoleculeRecord, format_molecules, score
from torch_afm.metrics.molecules.registry import RESERVED
from torch_afm.utils import InputError


@pytest.fixture
def rmsd():
    @score("rmsd", "root mean square distance", unit="Å", better="lower", digits=2)
    def of_matched_atoms(prediction, truth, matching):
        """Of matched atoms."""
        if len(matching.pred):
            shift = prediction.pos[matching.pred] - truth.pos[matching.true]
            return shift.square().sum(dim=1).mean().sqrt()

    yield of_matched_atoms
    del SCORES["rmsd"]


def _line(*x):
    pos = torch.tensor([[v, 0.0, 0.0] for v in x]).reshape(-1, 3)
    return AFMData(z=torch.full((len(x),), 6), pos=pos, edge_index=torch.empty(2, 0, dtype=torch.long))


def _metrics():
    metrics = MoleculeMetrics()
    metrics.update(_line(0.1, 3.3), _line(0.0, 3.0), "stop")
    metrics.update(_line(0.2), _line(0.0), "stop")
    metrics.update(_line(9.0), _line(0.0), "stop")  # no pair, no score
    return metrics


def test_a_score_from_outside_is_kept_averaged_and_shown(rmsd):
    metrics = _metrics()
    expected = [np.sqrt((0.1**2 + 0.3**2) / 2), 0.2, None]
    assert [r.scores["rmsd"] for r in metrics.records] == pytest.approx(expected)
    assert metrics.compute()["all"]["rmsd"] == pytest.approx(np.mean(expected[:2]))
    low, high = metrics.intervals(n=20)["all"]["rmsd"]
    assert low <= np.mean(expected[:2]) <= high
    text = format_molecules(metrics.compute())
    assert "Other scores" in text and "root mean square distance, Å   0.21" in text
    again = MoleculeMetrics.from_rows(metrics.rows())
    assert again.records == metrics.records


def test_records_of_before_do_not_have_it(rmsd):
    old = json.loads(json.dumps({k: v for k, v in _metrics().records[0].to_dict().items() if k != "rmsd"}))
    metrics = MoleculeMetrics()
    metrics.add(MoleculeRecord.from_dict(old))
    assert metrics.compute()["all"]["rmsd"] is None and metrics.compute()["all"]["hausdorff"] is not None
    with pytest.raises(InputError, match=r"^values: "):
        MoleculeRecord.from_dict({"molecule": 3})


def test_every_score_says_what_it_is():
    for known in SCORES.values():
        assert known.function.__doc__ and known.title and known.better in ("lower", "higher", None)


def test_names_of_records_and_tables_are_reserved():
    keys = {*_metrics().compute()["all"], *(f.name for f in dataclasses.fields(MoleculeRecord))}
    assert keys - SCORES.keys() <= set(RESERVED)
    assert not SCORES.keys() & set(RESERVED)


BAD = [
    (lambda: score("edits")(lambda prediction: 0.0), "name"),
    (lambda: score("f1")(lambda prediction: 0.0), "name"),
    (lambda: score("rmsf")(lambda prediction, tip: 0.0), "function"),
]


def test_bad_registrations():
    for call, argument in BAD:
        with pytest.raises(InputError, match=f"^{argument}:"):
            call()
