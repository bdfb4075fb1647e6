import re

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.metrics import StepMetrics
from torch_afm.metrics.steps import format_steps, headline
from torch_afm.metrics.steps.tables import REFERENCE
from torch_afm.nn import StepPrediction


def _metrics(steps=True):
    metrics = StepMetrics(AtomClasses())
    if steps:
        graphs = [
            AFMData(
                z=torch.tensor([6, 1]),
                pos=torch.zeros(2, 3),
                missing_z=torch.tensor([8]),
                missing_pos=torch.tensor([[0.3, 0.4, 0.0]]),
                missing_edge_index=torch.tensor([[0], [0]]),
            )
        ]
        out = StepPrediction(torch.tensor([[0.0, 0, 1]]), torch.zeros(1, 3), torch.tensor([1.0, -1.0]))
        metrics.update(out, Batch.from_data_list(graphs))
    return metrics


def test_reference_numbers_are_consistent():
    # Table 5.1's total is its parts with the weights 1, 3, 2 of Eq. 4.12, to the digits printed.
    loss = REFERENCE["loss"]
    assert loss["position"] + 3 * loss["node"] + 2 * loss["edge"] == pytest.approx(loss["total"], abs=3e-4)
    for row in REFERENCE["bond"]["fraction"]:
        assert sum(row) == pytest.approx(1)
    assert set(REFERENCE["position_error"]) == set(_metrics().compute()["position_error"])


def test_text_shows_each_number_beside_the_thesis():
    text = format_steps(_metrics().compute())
    rows = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert rows["position"].split() == ["position", "0.2500", "[0.1936]"]
    # log(2 + e) - 1 and log(1 + 1/e)
    assert rows["node"].split() == ["node", "0.5514", "[0.0881]"]
    assert rows["edge"].split() == ["edge", "0.3133", "[0.0350]"]
    assert rows["total"].split() == ["total", f"{0.25 + 3 * 0.551445 + 2 * 0.313262:.4f}", "[0.5279]"]
    assert rows["mean"].split()[1:] == [
        "0.50",
        "[0.50]",
        "0.30",
        "[0.29]",
        "0.40",
        "[0.29]",
        "0.00",
        "[0.14]",
    ]
    assert re.findall(r"\S+ \[\S+\] \(\d+\)", rows["bond"]) == ["0.000 [0.143] (0)", "1.000 [0.857] (1)"]
    assert rows["heavy"].split() == ["heavy", "0.000", "(0)", "0.000", "(0)", "1.000", "(1)"]
    assert rows["H"].split() == ["H", "-", "(0)", "-", "(0)", "-", "(0)"]


@pytest.mark.parametrize("between", [False, True])
def test_columns_line_up(between):
    metrics = _metrics()
    lines = format_steps(metrics.compute(), metrics.intervals(n=5) if between else None).splitlines()
    start = next(i for i, line in enumerate(lines) if "|r|" in line)
    assert len({len(line) for line in lines[start : start + 7]}) == 1


def test_headline_is_finite_numbers():
    assert headline(_metrics().compute()) == pytest.approx(
        {"r_mean": 0.5, "r_median": 0.5, "r_p95": 0.5, "bond_recall": 1.0, "recall_heavy": 1.0}
    )
    assert headline(_metrics(steps=False).compute()) == {}
    assert "-" in format_steps(_metrics(steps=False).compute())


def test_intervals_stand_between():
    metrics = _metrics()
    text = format_steps(metrics.compute(), metrics.intervals(n=5))
    # One step: every resample is that step.
    assert "position 0.2500 (0.2500 to 0.2500) [0.1936]" in text
    assert "0.50 (0.50 to 0.50) [0.40]" in text
