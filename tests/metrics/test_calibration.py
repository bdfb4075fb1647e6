import json

import numpy as np
import pytest
from scipy.special import expit, logit

from torch_afm.metrics import Calibration, Platt, coverage, reliability, sigma_factors
from torch_afm.utils import InputError


def test_reliability_by_hand():
    table = reliability(np.array([0.1, 0.2, 0.8, 0.9, 1.0]), np.array([0, 1, 1, 1, 0]), bins=2)
    assert table["count"] == [2, 3] and table["edges"] == [0, 0.5, 1]
    assert table["predicted"] == pytest.approx([0.15, 0.9])
    assert table["observed"] == pytest.approx([0.5, 2 / 3])
    assert table["ece"] == pytest.approx((2 * 0.35 + 3 * (0.9 - 2 / 3)) / 5)
    assert table["brier"] == pytest.approx((0.01 + 0.64 + 0.04 + 0.01 + 1) / 5)


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
    assert sigma_factors(error, sigma) == pytest.approx([1, 2, 0.5], rel=0.02)
    assert coverage(error / 2, sigma * 5)["z"]["within_1"] == 1


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
    (tmp_path / "bad.json").write_text('{"atom": 1}')
    (tmp_path / "nan.json").write_text((tmp_path / "calibration.json").read_text().replace("0.75", "NaN"))
    for name in ("bad.json", "nan.json", "missing.json"):
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
