"""The benchmark of whole predictions, on molecules made by hand."""

import pytest
import torch

from benchmarks.common import table
from benchmarks.prediction.run import FAILURES, GRAPHS, IMAGES, QUALITY, at, plain, share, summaries
from torch_afm.data import AFMData
from torch_afm.metrics import MoleculeMetrics

pytestmark = pytest.mark.learnt


@pytest.fixture
def metrics():
    """Four atoms, of which two are found: once with another atom on top of the first."""
    made = MoleculeMetrics()
    none = torch.empty(2, 0, dtype=torch.long)
    pos = torch.zeros(4, 3)
    pos[:, 0] = 2.0 * torch.arange(4)
    truth = AFMData(z=torch.full((4,), 6), pos=pos, edge_index=none)
    images = {
        name: {score: [0.25, 0.75] for score in ("mse", "pearson", "ssim")}
        for name in ("prediction", "empty", "another draw")
    }
    for extra in ([], [[0.0, 0.6, 0.0]]):
        found = torch.cat([pos[:2], torch.tensor(extra).reshape(-1, 3)])
        graph = AFMData(z=torch.full((len(found),), 6), pos=found, edge_index=none)
        made.update(graph, truth, "stop", images=images, seconds=1.5)
    return made


def test_rows_by_size_and_failures_counted(metrics):
    rows = summaries("small", "greedy", "best", metrics, learned=True)
    assert [r["visible_atoms"] for r in rows] == ["all", "4 to 6"]
    everything = rows[0]
    assert plain(everything, "f1", "0.5") == "0.615"  # 2 x 4 of 5 predicted and 8 true
    assert at(everything, "f1", "0.5") == "0.615 (0.571 to 0.667)"
    assert share(everything, "piled_up") == "1: 0.500 (0.000 to 1.000)"
    assert share(everything, "repeats") == "0: 0.000 (0.000 to 0.000)"
    assert plain(everything, "images", "empty", "mse", -1) == "0.500"
    assert plain(everything, "context", "recall") == "-"
    assert set(everything["confidence"]) == {"atom", "bond", "label", "position", "image"}
    for columns in (QUALITY, FAILURES, GRAPHS, IMAGES):
        assert len(table(rows, columns).splitlines()) == 4


def test_baselines_have_one_row_without_intervals(metrics):
    (row,) = summaries("-", "stop at once", "any", metrics, learned=False)
    assert row["intervals"] is None and at(row, "f1", "0.5") == "0.615" and "confidence" not in row
