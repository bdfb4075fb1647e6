import numpy as np
import pytest

from tests.metrics.molecules.graphs import on_a_line
from torch_afm.metrics import MoleculeMetrics
from torch_afm.metrics.molecules.summary import Columns, summarize


def _summary(metrics):
    return summarize(Columns(metrics.records), np.arange(len(metrics.records)))


def test_means_over_molecules(metrics):
    macro = _summary(metrics)["macro"]
    assert macro["f1"]["0.5"] == pytest.approx((4 / 5 + 0 + 6 / 8) / 3)
    assert macro["precision"]["0.5"] == pytest.approx((1 + 0 + 3 / 4) / 3)
    assert macro["recall"]["0.35"] == pytest.approx((1 / 3 + 0 + 3 / 4) / 3)


def test_errors_of_matched_atoms(metrics):
    table = _summary(metrics)
    error = table["position_error"]
    expected = [0.1, 0.4, 0, 0, 0]
    assert error["mean"]["r"] == pytest.approx(np.mean(expected))
    assert error["median"]["x"] == 0 and error["mean"]["z"] == 0
    assert error["p90"]["xy"] == pytest.approx(np.percentile(expected, 90))
    assert error["std"]["r"] == pytest.approx(np.std(expected))
    # The empty prediction has no distance; the others are 1.6 and 6 Å away at worst.
    assert table["hausdorff"] == pytest.approx((1.6 + 6) / 2)


def test_matches_of_the_nearest_find_more():
    metrics = MoleculeMetrics()
    metrics.update(on_a_line(0.0), on_a_line(-0.2, 0.2), "stop")
    table = _summary(metrics)
    assert table["recall"]["0.35"] == 0.5 and table["nearest"]["recall"]["0.35"] == 1
    assert table["nearest"]["precision"]["0.35"] == table["precision"]["0.35"] == 1


def test_rows_may_be_drawn_again(metrics):
    columns = Columns(metrics.records)
    table = summarize(columns, np.array([0, 0, 2]))
    # Two of two, two of two and three of four predicted; of three, three and four true atoms.
    assert table["precision"]["0.5"] == pytest.approx(7 / 8)
    assert table["recall"]["0.5"] == pytest.approx(7 / 10)
    assert table["position_error"]["mean"]["r"] == pytest.approx(2 * 0.5 / 7)


def test_predictions_without_a_molecule_are_one_of_their_own():
    metrics = MoleculeMetrics()
    for number in (None, 4, None, 4):
        metrics.update(on_a_line(0.0), on_a_line(0.0), "stop", molecule=number)
    assert Columns(metrics.records).molecule.tolist() == [5, 4, 7, 4]


def test_a_summary_of_nothing():
    table = summarize(Columns([]), np.arange(0))
    assert table["atoms"] is None and table["f1"]["0.5"] is None and table["images"] == {}
