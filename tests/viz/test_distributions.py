"""Distributions and distances of features."""

import numpy as np
import pytest

from torch_afm.metrics import compare
from torch_afm.utils import InputError
from torch_afm.viz import plot_distributions, plot_radar


def _structures(shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    joint = np.stack([rng.normal(2.8 + shift, 0.1, 7), rng.uniform(130, 180, 7)], axis=1)
    return [{"d_OO": rng.normal(2.8 + shift, 0.1, 9), "hbond": joint, "LSI": np.empty(0)}]


def test_panels_hold_the_values():
    here, there = _structures(0.2, 1), _structures()
    figure = plot_distributions({"model": here}, there)
    line, joint, empty = figure.axes
    assert line.get_xlabel() == "d_OO (Å)"
    assert (joint.get_xlabel(), joint.get_ylabel()) == ("d_OO (Å)", "angle O-H-O (°)")
    points = {c.get_label(): np.asarray(c.get_offsets()) for c in joint.collections}
    for label, values in (("model", here[0]["hbond"]), ("reference", there[0]["hbond"])):
        np.testing.assert_allclose(np.sort(points[label], axis=0), np.sort(values, axis=0))
    bars = [p for p in line.patches if p.get_label() != "model" and hasattr(p, "get_width")]
    assert sum(p.get_width() * p.get_height() for p in bars) == pytest.approx(1)
    assert not empty.patches and empty.get_title() == "local structure index"


def _three_features(shift):
    rng = np.random.default_rng(0)
    return [{"d_OO": rng.normal(2.8 + shift, 0.1, 9), "HOH": rng.normal(105, 2, 5), "d5": np.empty(0)}] * 4


@pytest.fixture(scope="module")
def comparisons():
    return {s: compare(_three_features(float(s)), _three_features(0), n=20) for s in ("0.1", "0.3")}


def test_polygons_are_the_distances_and_the_floor(comparisons):
    (ax,) = plot_radar(comparisons, "energy").axes
    lines = {line.get_label(): line.get_ydata() for line in ax.lines}
    for label, comparison in comparisons.items():
        found = [comparison.features[n]["distances"]["energy"]["normalized"] for n in ("d_OO", "HOH")]
        values = [f["value"] for f in found]
        np.testing.assert_allclose(lines[label], [*values, values[0]])
        floors = [f["floor"] for f in found]
        np.testing.assert_allclose(lines["floor (reference in halves)"], [*floors, floors[0]])
    # A feature without values has no spoke.
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["d_OO", "HOH"]


def test_nothing_to_draw(comparisons):
    for given, distance in (({}, "energy"), (comparisons, "sliced")):
        with pytest.raises(InputError, match=f"expected features with a {distance} distance"):
            plot_radar(given, distance)
