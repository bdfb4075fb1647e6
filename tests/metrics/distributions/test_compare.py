"""Distances of every feature, with intervals, floors and tables."""

import json

import numpy as np
import pytest

from torch_afm.metrics import distributions
from torch_afm.metrics.distributions import DISTANCES, compare, format_comparisons
from torch_afm.metrics.structure import FEATURES
from torch_afm.utils import InputError

PUBLIC = {
    "wasserstein": distributions.wasserstein,
    "sliced": distributions.sliced_wasserstein,
    "energy": distributions.energy_distance,
    "mmd": distributions.mmd,
    "kl": distributions.kl_divergence,
    "sinkhorn": distributions.sinkhorn_divergence,
}


def structures(n, shift=0.0, seed=0):
    """Structures whose values vary more between them than within."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        k, own = rng.integers(3, 8), rng.normal(scale=0.05)
        bonds = np.stack([rng.normal(2.8, 0.1, k), rng.uniform(130, 180, k)], axis=1)
        found.append({"d_OO": 2.8 + shift + own + rng.normal(scale=0.02, size=k), "hbond": bonds})
    return found


@pytest.fixture(scope="module")
def comparison():
    return compare(structures(12, 0.1, seed=1), structures(20), list(DISTANCES), n=200, seed=3)


def _pool(parts, name):
    return np.concatenate([p[name] for p in parts])


@pytest.mark.parametrize("name", ["d_OO", "hbond"])
@pytest.mark.parametrize("distance", list(DISTANCES))
def test_values_are_those_of_the_functions(comparison, name, distance):
    x, y = _pool(structures(12, 0.1, seed=1), name), _pool(structures(20), name)
    found = comparison.features[name]
    assert (found["prediction"], found["reference"]) == (len(x), len(y))
    if name == "d_OO" and distance in ("sliced", "sinkhorn"):
        assert distance not in found["distances"]
        return
    scales = found["distances"][distance]
    seed = {"seed": 3} if distance == "sliced" else {}
    if distance == "sinkhorn":
        assert scales["raw"]["value"] is None
    else:
        assert scales["raw"]["value"] == pytest.approx(PUBLIC[distance](x, y, **seed), rel=1e-9)
    x, y = FEATURES[name].normalize(x), FEATURES[name].normalize(y)
    assert scales["normalized"]["value"] == pytest.approx(PUBLIC[distance](x, y, **seed), rel=1e-8)


def test_the_interval_is_a_bootstrap_over_structures(comparison):
    x, y = structures(12, 0.1, seed=1), structures(20)
    rng = np.random.default_rng(0)
    drawn = [
        distributions.wasserstein(
            _pool([x[i] for i in rng.integers(12, size=12)], "d_OO"),
            _pool([y[i] for i in rng.integers(20, size=20)], "d_OO"),
        )
        for _ in range(400)
    ]
    found = comparison.features["d_OO"]["distances"]["wasserstein"]["raw"]["interval"]
    np.testing.assert_allclose(found, np.percentile(drawn, (2.5, 97.5)), atol=0.02)
    values = np.concatenate([p["d_OO"] for p in x])
    alone = compare([{"d_OO": v[None]} for v in values], [{"d_OO": p["d_OO"]} for p in y], n=200)
    low, high = alone.features["d_OO"]["distances"]["wasserstein"]["raw"]["interval"]
    assert found[1] - found[0] > high - low  # values of one structure are not independent


def test_a_value_far_above_the_floor_lies_inside_its_interval(comparison):
    found = comparison.features["d_OO"]["distances"]
    for distance in ("wasserstein", "energy", "mmd"):
        numbers = found[distance]["normalized"]
        low, high = numbers["interval"]
        assert low < numbers["value"] < high
        assert numbers["floor"] < low


def test_the_floor_is_that_of_halves(comparison):
    """Half of a reference lies as far from the other as another sample of that size does, on average."""
    floors = [
        compare(structures(2), structures(20), ["energy"], n=0, seed=s).features["d_OO"]["distances"]
        for s in range(20)
    ]
    floor = np.mean([f["energy"]["raw"]["floor"] for f in floors])
    other = [
        distributions.energy_distance(
            _pool(structures(10, seed=s), "d_OO"), _pool(structures(10, seed=s + 100), "d_OO")
        )
        for s in range(40)
    ]
    assert 0.3 * np.mean(other) < floor < 3 * np.mean(other)


def test_units_are_resampled_together():
    parts = structures(6, seed=1)
    copies = [part for part in parts for _ in range(4)]  # four copies tell no more than one
    once = compare(parts, structures(9), ["wasserstein"], n=300)
    fourfold = compare(copies, structures(9), ["wasserstein"], n=300, units=[i // 4 for i in range(24)])
    for name in ("d_OO", "hbond"):
        a, b = (c.features[name]["distances"]["wasserstein"]["raw"] for c in (once, fourfold))
        np.testing.assert_allclose(a["interval"], b["interval"], rtol=1e-6)
    assert fourfold.settings["units"] == 6


def test_seeds_and_subsamples():
    x, y = structures(12, 0.1, seed=1), structures(20)
    one, two, other = (compare(x, y, n=20, seed=s, max_values=25).to_dict() for s in (0, 0, 1))
    assert one == two
    assert one["features"] != other["features"]
    assert one["features"]["d_OO"]["prediction"] == 25
    assert one["settings"]["max_values"] == 25


def test_a_side_without_values_has_no_distance():
    x = [{"d_OO": np.empty(0), "hbond": np.empty((0, 2))}] * 3
    found = compare(x, structures(5), n=10)
    for name in ("d_OO", "hbond"):
        assert found.features[name]["prediction"] == 0
        numbers = found.features[name]["distances"]["wasserstein"]["raw"]
        assert (numbers["value"], numbers["interval"]) == (None, None)
        assert numbers["floor"] > 0
    json.dumps(found.to_dict(), allow_nan=False)


def test_resamples_without_values_are_left_out():
    x = [{"d_OO": np.array([3.0])}, {"d_OO": np.empty(0)}]
    found = compare(x, [{"d_OO": np.array([2.0])}] * 3, n=50)
    assert found.features["d_OO"]["distances"]["wasserstein"]["raw"]["interval"] == [1.0, 1.0]


def test_dictionary_and_rows_hold_the_same(comparison):
    document = json.loads(json.dumps(comparison.to_dict(), allow_nan=False))
    rows = comparison.rows()
    assert len(rows) == 2 * (4 + 6)
    for row in rows:
        found = document["features"][row["feature"]]["distances"][row["distance"]][row["scale"]]
        assert (row["value"], row["floor"]) == (found["value"], found["floor"])
        assert [row["low"], row["high"]] == (found["interval"] or [None, None])
        assert (found["interval"] is None) == (row["distance"] == "sinkhorn")
    assert document["settings"]["structures"] == {"prediction": 12, "reference": 20}
    assert document["settings"]["ranges"]["hbond"] == [[0, 3.5], [120, 180]]


#: What is refused.
REFUSED = [
    {"prediction": []},
    {"reference": structures(1)},
    {"prediction": [{"d_OO": np.ones(2)}]},
    {"prediction": [{"d_OO": [np.nan], "hbond": np.ones((1, 2))}]},
    {"distances": ["wasserstien"]},
    {"n": -1},
    {"level": 1.0},
    {"max_values": 0},
    {"units": [1]},
]


def test_bad_input():
    for change in REFUSED:
        with pytest.raises(InputError, match=next(iter(change))):
            compare(**{"prediction": structures(4), "reference": structures(4), "n": 2} | change)


def test_tables_hold_the_numbers():
    reference = [{"d_OO": np.array([2.7, 2.8]), "LSI": np.empty(0)}] * 3
    shifted = [{"d_OO": np.array([3.05, 3.15]), "LSI": np.ones(1)}] * 2
    given = {
        "near": compare(reference, reference, ["wasserstein"], n=5),
        "far": compare(shifted, reference, ["wasserstein", "kl"], n=5),
    }
    values, wasserstein = format_comparisons(given).split("\n\n")[:2]
    assert [line.split() for line in values.splitlines()[2:]] == [
        ["d_OO", "6", "4", "6"],
        ["LSI", "0", "2", "0"],
    ]
    header, rule, first, second = wasserstein.splitlines()
    assert header.split() == ["wasserstein,", "normalized", "near", "far", "floor"]
    assert set(rule) == {"-"}
    near, far = ["0.00000", "(0.00000-0.00000)"], ["0.100", "(0.100-0.100)"]
    assert first.split() == ["d_OO", *near, *far, "0.00000"]
    assert second.split() == ["LSI", "–", "–", "–"]
