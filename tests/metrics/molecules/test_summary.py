import numpy as np
import pytest
import torch

from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.metrics.molecules import score_molecule
from torch_afm.metrics.molecules.summary import Columns, summarize


def _line(*x):
    pos = torch.tensor([[v, 0.0, 0.0] for v in x]).reshape(-1, 3)
    return AFMData(z=torch.full((len(x),), 6), pos=pos, edge_index=torch.empty(2, 0, dtype=torch.long))


@pytest.fixture
def columns() -> Columns:
    pairs = [((0.0, 2.4), (0.1, 2.0, 4.0)), ((), (1.0,)), ((0.0, 1.0, 9.0), (0.0, 1.0, 2.0))]
    return Columns([score_molecule(_line(*a), _line(*b), "stop", AtomClasses()) for a, b in pairs])


def test_predictions_without_a_molecule_are_of_one_each(columns):
    assert columns.molecule.tolist() == [0, 1, 2]


def test_shares_are_of_the_atoms_of_all_predictions(columns):
    table = summarize(columns, np.arange(3))
    assert table["precision"]["0.5"] == pytest.approx(4 / 5)
    assert table["recall"]["0.5"] == pytest.approx(4 / 7)
    assert table["position_error"]["mean"]["x"] == pytest.approx(0.5 / 4)


def test_a_prediction_that_is_drawn_twice_counts_twice(columns):
    table = summarize(columns, np.array([0, 0, 1]))
    assert table["precision"]["0.5"] == 1.0
    assert table["recall"]["0.5"] == pytest.approx(4 / 7)


def test_what_no_prediction_defines_is_none(columns):
    table = summarize(columns, np.array([1]))
    assert table["precision"]["0.5"] is None and table["position_error"]["mean"]["r"] is None
