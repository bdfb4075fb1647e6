import json

import numpy as np
import pytest
import torch

from tests.metrics.molecules.graphs import on_a_line
from torch_afm.metrics import MoleculeMetrics


def test_shares_are_of_all_atoms(metrics):
    table = metrics.compute()
    assert list(table) == ["all", "1 to 3", "4 to 6"]
    assert table["all"]["molecules"] == 3 and table["all"]["ended"] == {"repeat": 1, "stop": 2}
    assert table["all"]["precision"] == pytest.approx({"0.35": 4 / 6, "0.5": 5 / 6, "1.0": 5 / 6})
    assert table["all"]["recall"] == pytest.approx({"0.35": 4 / 8, "0.5": 5 / 8, "1.0": 5 / 8})
    assert table["1 to 3"]["f1"] == pytest.approx({"0.35": 2 / 6, "0.5": 4 / 6, "1.0": 4 / 6})
    assert table["all"]["count_error"] == pytest.approx(2 / 3)
    assert table["all"]["atoms"] == 2
    assert table["all"]["missing"] == 1 and table["all"]["extra"] == pytest.approx(1 / 3)
    np.testing.assert_allclose(metrics.f1()[:, 1], [4 / 5, 0, 6 / 8])
    assert metrics.sizes().tolist() == [3, 1, 4]


def test_classes_and_bonds():
    metrics = MoleculeMetrics()
    truth = on_a_line(0.0, 1.5, 3.0, z=[8, 6, 1], bonds=[(0, 1), (1, 2)])
    metrics.update(on_a_line(0.0, 1.5, 9.0, z=[1, 6, 1], bonds=[(0, 1), (1, 2)]), truth, "stop")
    table = metrics.compute()["all"]
    # Two of three in place, one of them of the right class; rows H, heavy, extra; columns H, heavy, missing.
    assert table["f1"]["0.5"] == pytest.approx(2 / 3)
    assert table["aware"]["f1"]["0.5"] == pytest.approx(1 / 3)
    assert table["class"]["count"] == [[0, 0, 1], [1, 1, 0], [1, 0, 0]]
    assert table["class"]["names"] == ["H", "heavy", "extra"]
    assert table["bonds"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5}
    assert table["valence_errors"] == 0 and table["valid"] == 1 and table["exact"] == 0
    # In place: one atom and one bond too few and too many, one class. Anywhere: one class.
    assert table["edits"] == 5 and table["least_edits"] == 1


def test_sequence_context_images_and_time():
    metrics = MoleculeMetrics()
    truth = on_a_line(0.0, 2.0)
    scores = {"mse": [1.0, 3.0], "pearson": [0.5, 0.7]}
    metrics.update(
        on_a_line(0.0, 2.0),
        truth,
        "repeat",
        sequence=torch.tensor([[2.0, 0, 0], [0, 0, 0], [0.1, 0, 0]]),
        steps=3,
        context=(on_a_line(5.0, 7.0), on_a_line(5.1)),
        images={"prediction": scores},
        seconds=2.0,
    )
    metrics.update(on_a_line(0.0), truth, "stop", steps=1)
    table = metrics.compute()["all"]
    assert table["duplicates"] == 0.5 and table["duplicate_share"] == pytest.approx(1 / 4)
    assert table["steps"] == 2 and table["seconds"] == 2 and table["first_is_top"] == 1
    assert table["failures"]["repeats"] == 0.5 and table["failures"]["wrong_first"] == 0
    assert table["context"] == pytest.approx({"precision": 0.5, "recall": 1, "f1": 2 / 3})
    assert table["images"]["prediction"] == {"mse": [1, 3, 2], "pearson": pytest.approx([0.5, 0.7, 0.6])}
    json.dumps(metrics.intervals(n=3), allow_nan=False)


def test_intervals(metrics):
    found = metrics.intervals(n=100)
    assert found["4 to 6"]["f1"]["0.5"] == pytest.approx([0.75, 0.75])  # one molecule
    low, high = found["all"]["recall"]["0.5"]
    assert low < 5 / 8 < high
    json.dumps(found, allow_nan=False)


def test_predictions_of_one_molecule_are_drawn_together():
    metrics = MoleculeMetrics()
    for found in (on_a_line(0.0), on_a_line(9.0)):
        metrics.update(found, on_a_line(0.0), "stop", molecule=7)
    assert metrics.compute()["all"]["predictions"] == 2 and metrics.compute()["all"]["molecules"] == 1
    assert metrics.intervals(n=50)["all"]["f1"]["0.5"] == [0.5, 0.5]


def test_nothing_yet():
    table = MoleculeMetrics().compute()["all"]
    assert table["molecules"] == 0 and table["f1"]["0.5"] is None
    assert MoleculeMetrics().intervals(n=2)["all"]["f1"]["0.5"] is None
    assert MoleculeMetrics().f1().shape == (0, 3)


def test_silence_about_nothing_is_right():
    metrics = MoleculeMetrics()
    metrics.update(on_a_line(), on_a_line(), "stop")
    assert metrics.f1().tolist() == [[1.0, 1.0, 1.0]]
    assert metrics.compute()["all"]["macro"]["precision"]["0.5"] == 1


def test_rows_make_the_same_metrics(metrics):
    again = MoleculeMetrics.from_rows(metrics.rows())
    assert again.compute() == metrics.compute()
    assert [r.ended for r in again.records] == ["stop", "stop", "repeat"]
