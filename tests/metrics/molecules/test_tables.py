import re

import pytest
import torch

from torch_afm.data import AFMData
from torch_afm.metrics import MoleculeMetrics
from torch_afm.metrics.molecules import format_molecules


def _row(text, name):
    return re.split(
        r"\s{2,}", next(line for line in text.splitlines() if line.strip().startswith(name)).strip()
    )


@pytest.fixture(scope="module")
def metrics():
    made = MoleculeMetrics()
    none = torch.empty(2, 0, dtype=torch.long)
    for n, right in ((2, 1), (4, 4)):
        pos = torch.zeros(n, 3)
        pos[:, 0] = 2.0 * torch.arange(n)
        truth = AFMData(z=torch.full((n,), 6), pos=pos, edge_index=none)
        graph = AFMData(z=truth.z[:right], pos=pos[:right] + 0.25, edge_index=none)
        made.update(graph, truth, "stop")
    return made


def test_a_column_for_each_size(metrics):
    text = format_molecules(metrics.compute(), metrics.intervals(n=20))
    assert _row(text, "visible atoms") == ["visible atoms", "all", "1 to 3", "4 to 6"]
    assert _row(text, "predictions") == ["predictions", "2", "1", "1"]
    _, all_of_them, few, more = _row(text, "recall at 0.5 Å")
    assert all_of_them.startswith("0.833 (0.500 to 1.000)") and (few, more) == ("0.500", "1.000")
    assert _row(text, "recall at 0.35 Å")[2:] == ["0.000", "0.000"]
    assert _row(text, "heavy") == ["heavy", "0.000 (0)", "0.833 (5)", "0.167 (1)"]
    assert "ended: stop 2" in text


def test_rows_of_nothing_are_left_out(metrics):
    text = format_molecules(metrics.compute())
    # No bonds, no context, no images, no time.
    for absent in ("bonds: recall", "context", "Image of the prediction", "seconds", "steps "):
        assert absent not in text
    assert _row(text, "valid by RDKit")[1:] == ["1.000", "1.000", "1.000"]
    assert "ended: stop" in format_molecules(metrics.compute()) and "(" not in _row(text, "exact")[1]
