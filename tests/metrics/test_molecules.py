import json

import numpy as np
import pytest
import torch

from torch_afm.data import AFMData
from torch_afm.metrics import MoleculeMetrics


def _line(*x):
    pos = torch.tensor([[v, 0.0, 0.0] for v in x]).reshape(-1, 3)
    return AFMData(z=torch.full((len(x),), 6), pos=pos)


@pytest.fixture
def metrics():
    made = MoleculeMetrics()
    made.update(_line(0.0, 2.4), _line(0.1, 2.0, 4.0), "stop")  # 0.1 and 0.4 off, one missed
    made.update(_line(), _line(1.0), "stop")
    made.update(_line(0.0, 1.0, 2.0, 9.0), _line(0.0, 1.0, 2.0, 3.0), "repeat")  # three of four
    return made


def test_shares_are_of_all_atoms(metrics):
    table = metrics.compute()
    assert list(table) == ["all", "1 to 3", "4 to 6"]
    assert table["all"]["molecules"] == 3 and table["all"]["ended"] == {"repeat": 1, "stop": 2}
    assert table["all"]["precision"] == pytest.approx({"0.35": 4 / 6, "0.5": 5 / 6, "1.0": 5 / 6})
    assert table["all"]["recall"] == pytest.approx({"0.35": 4 / 8, "0.5": 5 / 8, "1.0": 5 / 8})
    assert table["1 to 3"]["f1"] == pytest.approx({"0.35": 2 / 6, "0.5": 4 / 6, "1.0": 4 / 6})
    assert table["all"]["count_error"] == pytest.approx(2 / 3)
    assert table["all"]["atoms"] == 2
    np.testing.assert_allclose(metrics.f1()[:, 1], [4 / 5, 0, 6 / 8])


def test_intervals(metrics):
    found = metrics.intervals(n=100)
    assert found["4 to 6"]["f1"]["0.5"] == pytest.approx([0.75, 0.75])  # one molecule
    low, high = found["all"]["recall"]["0.5"]
    assert low < 5 / 8 < high
    json.dumps(found, allow_nan=False)


def test_nothing_yet():
    table = MoleculeMetrics().compute()["all"]
    assert table["molecules"] == 0 and table["f1"]["0.5"] is None
    assert MoleculeMetrics().intervals(n=2)["all"]["f1"]["0.5"] is None
    assert MoleculeMetrics().f1().shape == (0, 3)


def test_silence_about_nothing_is_right():
    metrics = MoleculeMetrics()
    metrics.update(_line(), _line(), "stop")
    assert metrics.f1().tolist() == [[1.0, 1.0, 1.0]]


def test_rows_make_the_same_metrics(metrics):
    again = MoleculeMetrics.from_rows(metrics.rows())
    assert again.compute() == metrics.compute()
    assert again.rows()["ended"].tolist() == ["stop", "stop", "repeat"]
