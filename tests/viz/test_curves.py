import numpy as np
import pytest

from torch_afm.viz.curves import plot_curves, read_curves

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
