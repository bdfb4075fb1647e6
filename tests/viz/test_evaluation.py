"""Figures of scores."""

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.metrics import Calibration, MoleculeMetrics, StepMetrics
from torch_afm.metrics.calibration import Platt, confidence_tables
from torch_afm.nn import StepPrediction
from torch_afm.utils import InputError
from torch_afm.viz import (
    plot_classes,
    plot_confusion,
    plot_depth,
    plot_images,
    plot_parity,
    plot_reliability,
    plot_sizes,
)

CLASSES = AtomClasses()


@pytest.fixture(scope="module")
def metrics():
    """Eight steps of hydrogens at two depths, found 0.2 and 0.4 Å beside their places in x."""
    made = StepMetrics(CLASSES)
    for i in range(8):
        depth, off = (-0.05, 0.2) if i % 2 else (-0.65, 0.4)
        true = torch.tensor([[float(i), 1.0, depth]])
        graph = AFMData(
            z=torch.tensor([6, 6]),
            pos=torch.zeros(2, 3),
            missing_z=torch.tensor([1]),
            missing_pos=true,
            missing_edge_index=torch.tensor([[0], [0]]),
        )
        out = StepPrediction(
            torch.eye(3)[[1 + (i == 0)]], true + torch.tensor([[off, 0, 0]]), torch.tensor([1.0, -1.0])
        )
        made.update(out, Batch.from_data_list([graph]))
    return made


def test_parity_shows_every_step(metrics):
    true, pred = metrics.positions()
    x, _, z = plot_parity(true, pred).axes
    points = x.collections[0].get_offsets()
    assert sorted(map(tuple, points)) == sorted(zip(true[:, 0], pred[:, 0], strict=True))
    labels = [line.get_label() for line in z.lines]
    assert labels == ["slope 1.00", "exact"]
    with pytest.raises(InputError, match="pred"):
        plot_parity(true, pred[:3])


def test_parity_of_nothing_and_of_one_place():
    assert len(plot_parity(np.empty((0, 3)), np.empty((0, 3))).axes) == 3
    assert len(plot_parity(np.zeros((4, 3)), np.ones((4, 3))).axes[0].lines) == 0


def test_depth_skips_empty_bins(metrics):
    figure = plot_depth(metrics.compute(), metrics.intervals(n=20))
    r = figure.axes[0]
    np.testing.assert_allclose(r.lines[0].get_xydata(), [[-0.65, 0.4], [-0.05, 0.2]], atol=1e-6)
    assert len(plot_depth(StepMetrics(CLASSES).compute()).axes) == 4


def test_confusion_writes_fraction_and_count(metrics):
    classes, bonds = plot_confusion(metrics.compute()).axes
    # Rows from top to bottom, stop first: eight true hydrogens, one of them called heavy.
    assert [t.get_text() for t in classes.texts][3:6] == ["0.000\n(0)", "0.875\n(7)", "0.125\n(1)"]
    assert classes.texts[0].get_text() == "–\n(0)"
    assert [t.get_text() for t in bonds.texts] == ["1.000\n(8)", "0.000\n(0)", "0.000\n(0)", "1.000\n(8)"]


@pytest.fixture(scope="module")
def predictions():
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


def test_sizes(predictions):
    figure = plot_sizes({"model": predictions.compute()}, {"model": predictions.intervals(n=20)})
    atoms, _, exact = figure.axes
    assert atoms.lines[0].get_ydata().tolist() == [0.5, 0.5] and exact.lines[0].get_ydata().tolist() == [
        0.5,
        0,
    ]
    assert [t.get_text() for t in atoms.get_xticklabels()] == ["1 to 3", "4 to 6"]
    assert len(plot_sizes({"a": predictions.compute(), "b": predictions.compute()}).axes[0].lines) == 2


def test_images_slice_by_slice(predictions):
    mse, pearson, ssim = plot_images(predictions.compute()["all"]).axes
    assert mse.lines[0].get_ydata().tolist() == [1, 3]
    assert pearson.lines[0].get_ydata().tolist() == [0.25, 0.75]
    assert ssim.lines[0].get_xdata().tolist() == [1, 2]


def test_classes_have_extra_and_missing(predictions):
    ax = plot_classes(predictions.compute()["all"]).axes[0]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["H", "heavy", "missing"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["H", "heavy", "extra"]
    # Six heavy atoms: three found, three not; three more in wrong places.
    assert [t.get_text() for t in ax.texts][3:] == [
        *("0.000\n(0)", "0.500\n(3)", "0.500\n(3)"),
        *("0.000\n(0)", "1.000\n(3)", "0.000\n(0)"),
    ]


def test_reliability_before_and_after(predictions):
    plain = confidence_tables(predictions.records)
    corrected = confidence_tables(predictions.records, Calibration(atom=Platt(0.0, 0.0)))
    figure = plot_reliability(plain, corrected)
    before, after, diagonal = figure.axes[0].lines
    assert before.get_xydata().tolist() == [[0.75, 0.5]] and after.get_xydata().tolist() == [[0.5, 0.5]]
    assert before.get_label() == "as predicted, ECE 0.250"
    np.testing.assert_array_equal(diagonal.get_xydata(), [[0, 0], [1, 1]])
    # Nobody said anything of bonds, and the positions found are exact.
    assert len(figure.axes[1].lines[0].get_xydata()) == 0
    assert set(figure.axes[3].lines[0].get_ydata()) == {1.0}
    assert figure.axes[3].lines[0].get_label() == "x, as predicted, ECE 0.500"
