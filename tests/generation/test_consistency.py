import math

import pytest
import torch

from torch_afm.data import AFMData
from torch_afm.generation import consistency
from torch_afm.utils import InputError


def graph(*rows):
    return AFMData(
        z=torch.tensor([r[0] for r in rows], dtype=torch.long),
        pos=torch.tensor([r[1:] for r in rows]).reshape(-1, 3),
        charge=torch.zeros(len(rows)),
    )


A, B, C = (6, 0.0, 0.0, 0.0), (8, 2.0, 0.0, 0.0), (1, 5.0, 5.0, 0.0)


def test_by_hand():
    shifted = (6, 0.3, 0.0, 0.0)
    other = (7, 2.0, 0.4, 0.0)
    found = consistency([graph(A, B), graph(shifted, other, C), graph(A)])
    assert found.f1.tolist() == [
        pytest.approx([1.0, 0.8, 2 / 3]),
        pytest.approx([0.8, 1.0, 0.5]),
        pytest.approx([2 / 3, 0.5, 1.0]),
    ]
    assert found.distance[0, 1] == pytest.approx(math.sqrt((0.09 + 0.16) / 2))
    assert [s.tolist() for s in found.support] == [[1.0, 0.5], [1.0, 0.5, 0.0], [1.0]]
    assert found.mean_f1 == pytest.approx((0.8 + 2 / 3 + 0.5) / 3)


def test_the_height_of_the_tip_counts_for_nothing():
    lifted = [graph((6, 0.0, 0.0, h), (8, 2.0, 0.0, h - 0.1), (1, 5.0, 5.0, h)) for h in (0.0, 0.8)]
    found = consistency(lifted)
    assert found.mean_f1 == pytest.approx(1.0) and found.distance[0, 1] == pytest.approx(0.0, abs=1e-5)


def test_nothing_in_common_has_no_distance():
    found = consistency([graph(A), graph(C)])
    assert math.isnan(found.distance[0, 1]) and found.to_dict()["distance"][0][1] is None
    assert found.mean_f1 == 0.0


def test_one_has_nothing_to_agree_with():
    with pytest.raises(InputError, match="two or more"):
        consistency([graph(A)])
