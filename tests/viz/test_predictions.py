import numpy as np
import pytest
import torch

from torch_afm.data import AFMData
from torch_afm.metrics import Calibration, MoleculeMetrics
from torch_afm.metrics.calibration import Platt, confidence_tables
from torch_afm.viz import plot_classes, plot_images, plot_reliability, plot_sizes


@pytest.fixture(scope="module")
def metrics():
    """Two molecules of one atom, of which one is found, and one of four, of which two are."""
    made = MoleculeMetrics()
    for n, right in ((1, 1), (1, 0), (4, 2)):
        pos = torch.zeros(n, 3)
        pos[:, 0] = 2.0 * torch.arange(n)
        truth = AFMData(z=torch.full((n,), 6), pos=pos, edge_index=torch.empty(2, 0, dtype=torch.long))
        graph = AFMData(z=truth.z, pos=pos.clone(), edge_index=truth.edge_index)
        graph.pos[right:, 1] += 5
        graph.confidence = torch.full((n,), 0.75)
        graph.sigma = torch.ones(n, 3)
        images = {"prediction": {"mse": [1.0, 3.0], "pearson": [0.25, 0.75], "ssim": [0.5, 0.5]}}
        made.update(graph, truth, "stop", images=images, pearson=0.5)
    return made


def test_sizes(metrics):
    figure = plot_sizes({"model": metrics.compute()}, {"model": metrics.intervals(n=20)})
    atoms, _, exact = figure.axes
    assert atoms.lines[0].get_ydata().tolist() == [0.5, 0.5] and exact.lines[0].get_ydata().tolist() == [
        0.5,
        0,
    ]
    assert [t.get_text() for t in atoms.get_xticklabels()] == ["1 to 3", "4 to 6"]
    assert len(plot_sizes({"a": metrics.compute(), "b": metrics.compute()}).axes[0].lines) == 2


def test_images_slice_by_slice(metrics):
    mse, pearson, ssim = plot_images(metrics.compute()["all"]).axes
    assert mse.lines[0].get_ydata().tolist() == [1, 3]
    assert pearson.lines[0].get_ydata().tolist() == [0.25, 0.75]
    assert ssim.lines[0].get_xdata().tolist() == [1, 2]


def test_classes_have_extra_and_missing(metrics):
    ax = plot_classes(metrics.compute()["all"]).axes[0]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["H", "heavy", "missing"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["H", "heavy", "extra"]
    # Six heavy atoms: three found, three not; three more in wrong places.
    assert [t.get_text() for t in ax.texts][3:] == [
        *("0.000\n(0)", "0.500\n(3)", "0.500\n(3)"),
        *("0.000\n(0)", "1.000\n(3)", "0.000\n(0)"),
    ]


def test_reliability_before_and_after(metrics):
    plain = confidence_tables(metrics.records)
    corrected = confidence_tables(metrics.records, Calibration(atom=Platt(0.0, 0.0)))
    figure = plot_reliability(plain, corrected)
    before, after, diagonal = figure.axes[0].lines
    assert before.get_xydata().tolist() == [[0.75, 0.5]] and after.get_xydata().tolist() == [[0.5, 0.5]]
    assert before.get_label() == "as predicted, ECE 0.250"
    np.testing.assert_array_equal(diagonal.get_xydata(), [[0, 0], [1, 1]])
    # Nobody said anything of bonds, and the positions found are exact.
    assert len(figure.axes[1].lines[0].get_xydata()) == 0
    assert set(figure.axes[3].lines[0].get_ydata()) == {1.0}
