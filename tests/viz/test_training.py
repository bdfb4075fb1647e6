"""Learning curves and statistics."""

import io

import numpy as np
import pytest

from torch_afm.viz import plot_statistics
from torch_afm.viz.training import plot_curves, read_curves

FIRST = "epoch,step,train/total,val/total\n0,9,,3.5\n0,9,4.0,\n1,19,,2.5\n1,19,3.0,\n"
SECOND = "epoch,step,train/total,val/total\n1,19,,2.0\n1,19,2.9,\n2,29,,1.5\n"


@pytest.fixture
def files(tmp_path):
    for name, text in (("a.csv", FIRST), ("b.csv", SECOND)):
        (tmp_path / name).write_text(text)
    return [tmp_path / "a.csv", tmp_path / "b.csv"]


def test_of_an_epoch_run_twice_the_later_counts(files):
    curves = read_curves(files)
    np.testing.assert_array_equal(curves["val/total"], [[0, 1, 2], [3.5, 2.0, 1.5]])
    np.testing.assert_array_equal(curves["train/total"], [[0, 1], [4.0, 2.9]])


def test_lines_are_the_curves(files):
    figure = plot_curves(files)
    panel = next(axes for axes in figure.axes if axes.get_title() == "total")
    lines = {line.get_label(): line.get_xydata() for line in panel.lines}
    np.testing.assert_array_equal(lines["validation"], [[0, 3.5], [1, 2.0], [2, 1.5]])
    np.testing.assert_array_equal(lines["training"], [[0, 4.0], [1, 2.9]])


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
