import json

import numpy as np
import pytest
import torch

from torch_afm.data import AFMData
from torch_afm.metrics import MoleculeMetrics, confidence_tables, fit_calibration


def _records(n=100, seed=0):
    """Molecules of four atoms in a row, each found with a probability that the prediction overstates, its
    deviations half of what they are."""
    rng = np.random.default_rng(seed)
    metrics = MoleculeMetrics()
    bonds = torch.tensor([[0, 1], [1, 0]])
    for _ in range(n):
        pos = torch.tensor([[3.0 * i, 0, 0] for i in range(4)])
        p = rng.uniform(0.2, 0.9, size=4)
        wrong = torch.from_numpy(rng.uniform(size=4) > p)
        noise = torch.from_numpy(rng.normal(size=(4, 3)) * 0.08).float()
        graph = AFMData(z=torch.full((4,), 6), pos=pos + noise, edge_index=bonds)
        graph.pos[wrong, 1] += 5
        graph.confidence = torch.from_numpy(p**0.5).float()
        graph.sigma = torch.full((4, 3), 0.04)
        graph.bond_probability = graph.confidence[:2].prod().repeat(2)
        truth = AFMData(z=graph.z, pos=pos, edge_index=bonds)
        metrics.update(graph, truth, "stop", pearson=1 - 0.2 * float(wrong.sum()))
    return metrics.records


def test_calibration_of_one_half_helps_the_other():
    calibration, held_out = fit_calibration(_records(seed=0)), _records(seed=1)
    plain, corrected = confidence_tables(held_out), confidence_tables(held_out, calibration)
    assert plain["atom"]["ece"] > 0.12 and corrected["atom"]["ece"] < 0.06
    assert corrected["bond"]["ece"] < 0.1 < 0.15 < plain["bond"]["ece"]
    assert calibration.sigma == pytest.approx([2, 2, 2], rel=0.15)
    for axis in "xyz":
        before, after = (abs(t["position"][axis]["within_1"] - 0.683) for t in (plain, corrected))
        assert after < before / 2 and before > 0.2
    json.dumps([plain, corrected], allow_nan=False)


def test_images_agree_from_a_limit_on_that_no_fit_changes():
    records = _records(21)
    calibration = fit_calibration(records, min_pearson=0.7)
    assert calibration.min_pearson == 0.7
    image = confidence_tables(records, calibration)["image"]
    # One atom wrong: r 0.8; two: 0.6, and so on.
    wrong = [4 - record.matched["blind"][1] for record in records]
    assert image["agree"]["count"] == sum(n <= 1 for n in wrong)
    assert image["disagree"]["count"] == sum(n > 1 for n in wrong) > 0
    f1 = [1 - n / 4 for n in wrong if n <= 1]
    assert image["agree"]["f1"] == pytest.approx(np.mean(f1))
    assert image["agree"]["good"] == pytest.approx(wrong.count(0) / len(f1))


def test_counts_are_those_of_the_matching():
    record = _records(n=1)[0]
    assert sum(record.calibration["atom"][1]) == record.matched["blind"][1] == len(record.errors)


def test_predictions_without_confidence():
    metrics = MoleculeMetrics()
    empty = AFMData.empty()
    metrics.update(empty, empty, "stop")
    calibration = fit_calibration(metrics.records)
    table = confidence_tables(metrics.records, calibration)
    assert table["atom"]["ece"] is None and table["image"]["agree"]["count"] == 0
