import numpy as np
import pytest

from torch_afm.metrics import compare
from torch_afm.utils import InputError
from torch_afm.viz import plot_radar


def _structures(shift):
    rng = np.random.default_rng(0)
    return [{"d_OO": rng.normal(2.8 + shift, 0.1, 9), "HOH": rng.normal(105, 2, 5), "d5": np.empty(0)}] * 4


@pytest.fixture(scope="module")
def comparisons():
    return {s: compare(_structures(float(s)), _structures(0), n=20) for s in ("0.1", "0.3")}


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
