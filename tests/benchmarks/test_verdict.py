"""How the trials of the verdict are scored and counted."""

import pytest
import torch

from benchmarks.prediction.verdict import areas, draw, quality, summaries
from torch_afm.data import AFMData
from torch_afm.testing import benzene


def part(data: AFMData, keep) -> AFMData:
    return AFMData(z=data.z[keep], pos=data.pos[keep])


def test_quality_of_parts():
    truth, none = benzene(), AFMData.empty()
    assert quality(truth, none, truth, -0.7, False) == (1, 1)
    higher = AFMData(z=truth.z, pos=truth.pos + torch.tensor([0.0, 0.0, 0.9]))
    assert quality(higher, none, truth, -0.7, False) == (1, 1)  # heights are aligned
    # All six carbons and no hydrogen: precision 1, recall one half.
    assert quality(part(truth, truth.z > 1), none, truth, -0.7, False) == pytest.approx((2 / 3, 1))
    # Hydrogen that was found as context stands for itself.
    assert quality(part(truth, truth.z > 1), part(truth, truth.z == 1), truth, -0.7, False) == (1, 1)
    assert quality(none, none, truth, -0.7, False) == (0, 0)


def test_rules_are_counted():
    def trial(pearson, score, explained):
        told = {"pearson": pearson, "without_noise": pearson, "curvature": pearson}
        return {**told, "score": score, "explained": explained}

    trials = [
        trial(0.99, 1.0, True),
        trial(0.96, 0.95, False),
        trial(0.93, 0.5, False),
        trial(0.5, 0.8, True),
    ]
    rows = {row["rule"]: row for row in summaries(trials)}
    first = rows["mean r at least 0.9"]
    assert (first["explained"], first["not_right"], first["wrong"], first["right_lost"]) == (3, 1, 1, 0)
    verdict = rows["the verdict"]
    assert (verdict["explained"], verdict["not_right"], verdict["wrong"], verdict["right_lost"]) == (
        2,
        1,
        0,
        1,
    )
    assert areas(trials)["pearson"] == 1


def test_draws_are_always_the_same():
    assert draw(3, [1, 2, 3]) == draw(3, [1, 2, 3]) != draw(4, [1, 2, 3])
