"""Calibration of probabilities and deviations."""

import json

import numpy as np
import pytest
import torch
from scipy.special import expit, logit

from torch_afm.data import AFMData
from torch_afm.metrics import Calibration, MoleculeMetrics
from torch_afm.metrics.calibration import (
    Platt,
    calibrate_record,
    confidence_tables,
    coverage,
    fit_calibration,
    reliability,
    sigma_factors,
)
from torch_afm.utils import InputError


def test_reliability_by_hand():
    table = reliability(np.array([0.11, 0.17, 0.82, 0.95, 1.0]), np.array([0, 1, 1, 1, 0]))
    assert table["count"] == [0, 2, 0, 0, 0, 0, 0, 0, 1, 2]
    assert table["edges"] == pytest.approx([i / 10 for i in range(11)])
    none = [None] * 6
    assert [table["predicted"][i] for i in (1, 8, 9)] == pytest.approx([0.14, 0.82, 0.975])
    assert [table["observed"][i] for i in (1, 8, 9)] == pytest.approx([0.5, 1, 0.5])
    assert table["predicted"][2:8] == table["observed"][2:8] == none
    assert table["ece"] == pytest.approx((2 * 0.36 + 0.18 + 2 * 0.475) / 5)
    assert table["brier"] == pytest.approx((0.11**2 + 0.83**2 + 0.18**2 + 0.05**2 + 1) / 5)
    # The last was sure and wrong: ln 1e-6.
    right = np.log([0.89, 0.17, 0.82, 0.95]).sum()
    assert table["log_loss"] == pytest.approx(-(right + np.log(1e-6)) / 5)


def test_probabilities_that_mean_what_they_say_have_no_error():
    rng = np.random.default_rng(0)
    p = rng.uniform(size=40_000)
    hit = rng.uniform(size=p.size) < p
    assert reliability(p, hit)["ece"] < 0.01
    platt = Platt.fit(p, hit)
    assert platt.a == pytest.approx(1, abs=0.05) and platt.b == pytest.approx(0, abs=0.05)


def test_platt_undoes_a_known_distortion():
    rng = np.random.default_rng(1)
    p = rng.uniform(0.01, 0.99, size=40_000)
    hit = rng.uniform(size=p.size) < p
    said = expit((logit(p) - 0.7) / 0.5)  # overconfident: the truth is 0.5 logit(said) + 0.7
    platt = Platt.fit(said, hit)
    assert (platt.a, platt.b) == (pytest.approx(0.5, abs=0.03), pytest.approx(0.7, abs=0.05))
    assert reliability(platt(said), hit)["ece"] < 0.015 < 0.1 < reliability(said, hit)["ece"]


def test_platt_of_little():
    assert Platt.fit(np.empty(0), np.empty(0)) == Platt()
    np.testing.assert_array_equal(Platt()(np.array([0.0, 0.3, 1.0])), [0, 0.3, 1])
    only = Platt.fit(np.full(8, 0.5), np.ones(8))  # Platt's target: 9 / 10
    assert only(np.array([0.5])) == pytest.approx(0.9, abs=1e-3)
    # The surer ones were wrong: all that is left is their share, with Platt's targets 3/4 and 1/4.
    level = Platt.fit(np.array([0.2, 0.3, 0.8, 0.9]), np.array([1, 1, 0, 0]))
    assert level.a == 0 and level(np.array([0.1, 0.9])) == pytest.approx([0.5, 0.5], abs=1e-3)


def test_platt_bounds_what_is_certain_and_wrong_at_times():
    rng = np.random.default_rng(3)
    p = rng.beta(4, 1.2, size=6000)
    hit = rng.uniform(size=p.size) < p
    said = np.append(expit(1.6 * logit(p)), np.ones(4000))
    hit = np.append(hit, rng.uniform(size=4000) < 0.95)
    platt = Platt.fit(said, hit)
    assert platt.edge > 1e-3 and reliability(platt(said), hit)["ece"] < 0.02 < reliability(said, hit)["ece"]
    assert platt(np.array([1.0]))[0] == pytest.approx(0.95, abs=0.02)
    assert (np.diff(platt(np.linspace(0, 1, 101))) >= 0).all()
    # Where the probabilities are right, there is no reason for a larger one.
    assert Platt.fit(p, rng.uniform(size=p.size) < p).edge == Platt().edge


def test_coverage_of_normal_errors():
    rng = np.random.default_rng(2)
    sigma = rng.uniform(0.05, 0.3, size=(40_000, 3))
    error = rng.normal(size=sigma.shape) * sigma * [1, 2, 0.5]
    table = coverage(error, sigma)
    assert table["x"]["within_1"] == pytest.approx(0.6827, abs=0.01)
    assert table["x"]["within_2"] == pytest.approx(0.9545, abs=0.005)
    np.testing.assert_allclose(table["x"]["observed"], table["expected"], atol=0.01)
    assert table["y"]["within_1"] == pytest.approx(0.3829, abs=0.01)  # half a standard deviation
    assert table["z"]["rms"] == pytest.approx(0.5, abs=0.01)
    assert table["x"]["ece"] == pytest.approx(0, abs=0.005) and table["z"]["ece"] > 0.1
    assert sigma_factors(error, sigma) == pytest.approx([1, 2, 0.5], rel=0.02)
    assert coverage(error / 2, sigma * 5)["z"]["within_1"] == 1


def test_the_error_of_a_coverage_by_hand():
    # No error at all: every share is covered by everything, 0.9, 0.8, ... 0.1 too much.
    table = coverage(np.zeros((7, 3)), np.ones((7, 3)))
    assert table["y"]["observed"] == [1.0] * 9 and table["y"]["ece"] == pytest.approx(0.5)


def test_nothing():
    none = np.empty((0, 3))
    assert coverage(none, none)["x"]["within_1"] is None
    assert sigma_factors(none, none) == (1, 1, 1)
    table = reliability(np.empty(0), np.empty(0))
    assert table["ece"] is None and table["observed"] == [None] * 10
    json.dumps([table, coverage(none, none)], allow_nan=False)


def test_file(tmp_path):
    made = Calibration(atom=Platt(0.5, 0.1), sigma=(1.5, 1.0, 2.0), min_pearson=0.75)
    made.save(tmp_path / "calibration.json")
    assert Calibration.load(tmp_path / "calibration.json") == made
    # Files from before there was an edge.
    plain = json.loads((tmp_path / "calibration.json").read_text())
    del plain["atom"]["edge"], plain["bond"]["edge"], plain["label"]["edge"]
    (tmp_path / "plain.json").write_text(json.dumps(plain))
    assert Calibration.load(tmp_path / "plain.json") == made
    (tmp_path / "edge.json").write_text(json.dumps(plain | {"atom": {"a": 1, "b": 0, "edge": 0}}))
    (tmp_path / "bad.json").write_text('{"atom": 1}')
    (tmp_path / "nan.json").write_text((tmp_path / "calibration.json").read_text().replace("0.75", "NaN"))
    for name in ("bad.json", "nan.json", "edge.json", "missing.json"):
        with pytest.raises(InputError, match=r"^calibration:"):
            Calibration.load(tmp_path / name)


BAD = [
    (lambda: reliability(np.array([1.2]), np.array([1])), "p"),
    (lambda: reliability(np.array([np.nan]), np.array([1])), "p"),
    (lambda: reliability(np.array([0.5]), np.array([2])), "hit"),
    (lambda: reliability(np.array([0.5, 0.5]), np.array([1])), "hit"),
    (lambda: coverage(np.zeros((1, 3)), np.zeros((1, 3))), "sigma"),
]


@pytest.mark.parametrize(("call", "argument"), BAD)
def test_bad_input(call, argument):
    with pytest.raises(InputError, match=f"^{argument}:"):
        call()


def _records(n=100, seed=0):
    """Molecules of four atoms in a row, each found with a probability that the prediction overstates, its
    deviations half of what they are."""
    rng = np.random.default_rng(seed)
    metrics = MoleculeMetrics()
    bonds = torch.tensor([[0, 1], [1, 0]])
    for _ in range(n):
        pos = torch.tensor([[3.0 * i, 0, 0] for i in range(4)])
        p = rng.uniform(0.2, 0.9, size=4)
        wrong = torch.from_numpy(rng.uniform(size=4) > p)
        noise = torch.from_numpy(rng.normal(size=(4, 3)) * 0.08).float()
        graph = AFMData(z=torch.full((4,), 6), pos=pos + noise, edge_index=bonds)
        graph.pos[wrong, 1] += 5
        graph.confidence = torch.from_numpy(p**0.5).float()
        graph.sigma = torch.full((4, 3), 0.04)
        graph.bond_probability = graph.confidence[:2].prod().repeat(2)
        truth = AFMData(z=graph.z, pos=pos, edge_index=bonds)
        metrics.update(graph, truth, "stop", pearson=1 - 0.2 * float(wrong.sum()))
    return metrics.records


def test_calibration_of_one_half_helps_the_other():
    calibration, held_out = fit_calibration(_records(seed=0)), _records(seed=1)
    plain, corrected = confidence_tables(held_out), confidence_tables(held_out, calibration)
    assert plain["atom"]["ece"] > 0.12 and corrected["atom"]["ece"] < 0.06
    assert corrected["bond"]["ece"] < 0.1 < 0.15 < plain["bond"]["ece"]
    assert calibration.sigma == pytest.approx([2, 2, 2], rel=0.15)
    for axis in "xyz":
        before, after = (abs(t["position"][axis]["within_1"] - 0.683) for t in (plain, corrected))
        assert after < before / 2 and before > 0.2
    json.dumps([plain, corrected], allow_nan=False)


def test_a_calibrated_record():
    record = max(_records(n=5), key=lambda record: len(record.errors))
    calibration = Calibration(atom=Platt(0.5, 0.1), bond=Platt(2.0, 0.0), sigma=(2.0, 1.0, 0.5))
    found = calibrate_record(record, calibration)
    p, hit = record.calibration["atom"]
    assert found.calibration["atom"][0] == pytest.approx(expit(0.5 * logit(p) + 0.1))
    assert found.calibration["atom"][1] == hit
    bonds = zip(record.calibration["bond"][0], found.calibration["bond"][0], strict=True)
    assert all(logit(new) == pytest.approx(2 * logit(old)) for old, new in bonds)
    np.testing.assert_allclose(found.calibration["sigma"], [[0.08, 0.04, 0.02]] * len(record.errors))
    assert "label" not in found.calibration
    assert (found.errors, found.f1, found.scores) == (record.errors, record.f1, record.scores)
    assert record.calibration["sigma"][0] == pytest.approx([0.04] * 3)


def test_images_agree_from_a_limit_on_that_no_fit_changes():
    records = _records(21)
    calibration = fit_calibration(records, min_pearson=0.7)
    assert calibration.min_pearson == 0.7
    image = confidence_tables(records, calibration)["image"]
    # One atom wrong: r 0.8; two: 0.6, and so on.
    wrong = [4 - record.matched["blind"][1] for record in records]
    assert image["agree"]["count"] == sum(n <= 1 for n in wrong)
    assert image["disagree"]["count"] == sum(n > 1 for n in wrong) > 0
    f1 = [1 - n / 4 for n in wrong if n <= 1]
    assert image["agree"]["f1"] == pytest.approx(np.mean(f1))
    assert image["agree"]["good"] == pytest.approx(wrong.count(0) / len(f1))


def test_counts_are_those_of_the_matching():
    record = _records(n=1)[0]
    assert sum(record.calibration["atom"][1]) == record.matched["blind"][1] == len(record.errors)


def test_predictions_without_confidence():
    metrics = MoleculeMetrics()
    empty = AFMData.empty()
    metrics.update(empty, empty, "stop")
    calibration = fit_calibration(metrics.records)
    table = confidence_tables(metrics.records, calibration)
    assert table["atom"]["ece"] is None and table["image"]["agree"]["count"] == 0
