import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.metrics import StepMetrics
from torch_afm.nn import StepPrediction
from torch_afm.utils import InputError
from torch_afm.viz import plot_confusion, plot_depth, plot_parity

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
