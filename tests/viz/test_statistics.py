import io

import pytest

from torch_afm.viz import plot_statistics

pytestmark = pytest.mark.filterwarnings("error")


def test_bars_have_the_numbers_and_none_is_lost_on_the_logarithmic_scale():
    statistics = {
        "molecules": 7,
        "z_min": -0.7,
        "elements": {"H": 90.0, "I": 12.5, "Si": 0.0},
        "sizes": {"3": 2, "12": 5},
    }
    figure = plot_statistics(statistics, {"H": 94.2, "Si": 0.1}, (15, 30))
    left, right = figure.axes
    here, there = left.containers
    assert [bar.get_height() for bar in here] == [90.0, 12.5, 0.05]
    assert [bar.get_height() for bar in there] == [94.2, 0.05, 0.1]
    assert [t.get_text() for t in left.texts] == ["90", "12", "0.0", "94", "0.0", "0.1"]
    assert [t.get_text() for t in left.get_xticklabels()] == ["H", "I", "Si"]
    sizes = {round(bar.get_x() + bar.get_width() / 2): bar.get_height() for bar in right.containers[0]}
    assert sizes == {3: 2, 12: 5}
    assert right.get_title() == "sizes of 7 molecules"
    with io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=50)
