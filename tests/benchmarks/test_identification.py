"""What the benchmarks of identification count, of poses and ranks that are made up."""

import numpy as np
import pytest
import torch

from benchmarks.identification import retrieval, run
from torch_afm.testing import benzene


def test_poses_are_compared_by_place_turn_and_what_is_left() -> None:
    truth, found = benzene(), benzene()
    angle = np.radians(4)
    turn = torch.tensor([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).float()
    found.pos[:, :2] = found.pos[:, :2] @ turn.T + torch.tensor([0.3, -0.4])
    error = run.compare_poses(found, truth)
    assert error["place"] == pytest.approx(0.5, abs=1e-3)
    assert error["turn"] == pytest.approx(4.0) and error["internal"] == pytest.approx(0.0, abs=1e-3)


def record(rank: int, evidence: dict[str, float], place: float = 0.1) -> dict:
    error = {"place": place, "turn": 1.0, "internal": 0.02}
    return {
        "smiles": "right",
        "rank": rank,
        "evidence": evidence,
        "noise": [0.005] * 4,
        "seconds": 30.0,
        "error": error,
    }


def test_rates_count_the_first_and_leave_the_truth_out() -> None:
    alike = {f"other {i}": 100.0 - i for i in range(6)}
    records = [record(1, {"right": 600.0} | alike), record(4, {"right": 97.5} | alike, place=2.0)]
    row = run.summarize(records, "all")
    assert row["top 1"] == 0.5 and row["top 5"] == 1.0
    assert row["none, truth left out"] == 1.0 and row["none, truth among them"] == 0.5
    assert row["within 0.15 Å and 3°"] == 1.0  # of the one that came first
    assert row["place, median Å"] == pytest.approx(0.1)
    assert run.summarize(records[1:], "one")["place, median Å"] is None


def test_retrieval_has_intervals_and_chance() -> None:
    row = retrieval.summarize([record(1, {}), record(3, {}), record(9, {})], "all", 100)
    assert row["chance"] == 0.01 and row["top 1"] == pytest.approx(1 / 3)
    low, high = row["top 5, interval"]
    assert low < 2 / 3 < high < 1
