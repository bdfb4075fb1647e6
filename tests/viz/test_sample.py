import io

import numpy as np
import pytest
import torch
from matplotlib.collections import EllipseCollection, PolyCollection

from torch_afm.config import Scan
from torch_afm.data import AFMData, from_smiles
from torch_afm.elements import AtomClasses
from torch_afm.nn import StepPrediction
from torch_afm.transforms import MakeMutant, Orient
from torch_afm.viz import plot_sample, plot_step

pytestmark = pytest.mark.filterwarnings("error")

SCAN = Scan(pixels=(12, 9), n_slices=5)
SMALL = Scan(pixels=(8, 8))
CLASSES = AtomClasses()


def _sample(removed):
    data = MakeMutant(torch.tensor(removed, dtype=torch.long), z_min=-9.0)(Orient()(from_smiles("CCO")))
    data.reference, data.simulated = torch.randn(
        2, 1, 1, *SCAN.shape, generator=torch.Generator().manual_seed(0)
    )
    return data


@pytest.mark.parametrize("removed", [[], [0, 2], list(range(9))], ids=["stop", "two", "all"])
def test_graphs(removed):
    data = _sample(removed)
    figure = plot_sample(data, SCAN, title="ethanol")
    whole, mutant = figure.axes[0], figure.axes[4]
    circles = [[c for c in ax.collections if isinstance(c, EllipseCollection)] for ax in (whole, mutant)]
    assert [len(c.get_offsets()) for c in circles[0]] == [9, len(removed)]
    assert sum(len(c.get_offsets()) for c in circles[1]) == 9
    for rings in (circles[0][-1], circles[1][-1]):
        assert np.allclose(rings.get_offsets(), data.missing_pos[:, :2])
    bars = [c for c in whole.collections if isinstance(c, PolyCollection)]
    known = data.edge_index.shape[1] // 2 + data.missing_edge_index.shape[1]
    assert len(bars[0].get_paths()) == known
    with io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=50)


def test_stacks_far_to_near():
    data = _sample([1])
    figure = plot_sample(data, SCAN)
    for key, axes in (("reference", figure.axes[1:4]), ("simulated", figure.axes[5:8])):
        for ax, s, name in zip(axes, (0, 2, 4), ("far", "middle", "near"), strict=True):
            assert ax.get_title() == f"{key}, {name}"
            assert np.array_equal(ax.images[0].get_array(), data[key][0, 0, s])
            assert "Hz" not in ax.get_xlabel()


def _step_sample(missing):
    stack = torch.rand(1, 1, *SMALL.shape, generator=torch.Generator().manual_seed(0))
    return AFMData(
        z=torch.tensor([6]),
        pos=torch.zeros(1, 3),
        edge_index=torch.empty(2, 0, dtype=torch.long),
        missing_z=torch.ones(missing, dtype=torch.long),
        missing_pos=torch.tensor([[3.0, 0.0, 0.0], [0.0, 3.0, 0.0]])[:missing],
        missing_edge_index=torch.zeros(2, missing, dtype=torch.long),
        reference=stack,
        simulated=stack.flip(-1),
    )


@pytest.mark.parametrize(
    ("missing", "label", "text"), [(2, 1, "off by 0.50 Å"), (1, 0, "true: H"), (0, 0, "true: stop")]
)
def test_a_step_names_what_was_predicted_and_what_is_true(missing, label, text):
    out = StepPrediction(4 * torch.eye(3)[[label]], torch.tensor([[0.3, 3.4, 0.0]]), torch.tensor([1.0]))
    figure = plot_step(_step_sample(missing), out, SMALL, CLASSES)
    shown = figure.axes[5].texts[0].get_text()
    assert text in shown
    assert f"{CLASSES.names[label]}: 0.96" in shown  # e^4 / (e^4 + 2)
    crosses = figure.axes[2].lines[0].get_xydata()
    assert len(crosses) == missing
    assert figure.axes[0].get_xlabel() == f"{1 + missing} visible atoms"
    figure.canvas.draw()
