import pytest
import torch

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.nn import StepPrediction
from torch_afm.viz import plot_step

SCAN = Scan(pixels=(8, 8))
CLASSES = AtomClasses()


def _sample(missing):
    stack = torch.rand(1, 1, *SCAN.shape, generator=torch.Generator().manual_seed(0))
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
    ("missing", "label", "says"), [(2, 1, "off by 0.50 Å"), (1, 0, "true: H"), (0, 0, "true: stop")]
)
def test_says_what_was_predicted_and_what_is_true(missing, label, says):
    out = StepPrediction(4 * torch.eye(3)[[label]], torch.tensor([[0.3, 3.4, 0.0]]), torch.tensor([1.0]))
    figure = plot_step(_sample(missing), out, SCAN, CLASSES)
    text = figure.axes[5].texts[0].get_text()
    assert says in text
    assert f"{CLASSES.names[label]}: 0.96" in text  # e^4 / (e^4 + 2)
    crosses = figure.axes[2].lines[0].get_xydata()
    assert len(crosses) == missing
    assert figure.axes[0].get_xlabel() == f"{1 + missing} visible atoms"
    figure.canvas.draw()
