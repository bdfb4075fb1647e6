import math

import numpy as np
import pytest
import torch

from torch_afm.transforms import RandomTipAsymmetry, TipAsymmetry
from torch_afm.utils import InputError


def test_a_point_gets_a_tail_to_one_side():
    stack = torch.zeros(2, 1, 1, 33, 41, dtype=torch.float64)
    stack[..., 16, 16] = 1.0
    # 8 pixels along x, and 8 of the 33 downwards: the points of the tail fall on pixels.
    out = TipAsymmetry([8 / 41, 8 / 33], [0.0, math.pi / 2])(stack)
    weights = np.exp(-3 * np.arange(9) / 8)
    weights /= weights.sum()
    expected = torch.zeros_like(stack)
    expected[0, 0, 0, 16, 16:25] = torch.from_numpy(weights)
    expected[1, 0, 0, 16:25, 16] = torch.from_numpy(weights)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)


def test_a_linear_field_moves_by_the_mean_of_the_tail():
    y, x = np.mgrid[:41, :41].astype(float)
    stack = torch.from_numpy(np.tile(x + 3 * y, (1, 1, 2, 1, 1)))
    weights = np.exp(-3 * np.arange(9) / 8)
    reach = 41 * 0.1 * (weights * np.arange(9)).sum() / weights.sum() / 8
    change = (TipAsymmetry([0.1], [0.6])(stack) - stack)[0, 0, 0, 20, 20]
    assert float(change) == pytest.approx(-reach * (math.cos(0.6) + 3 * math.sin(0.6)), abs=1e-10)


def test_no_tail_changes_nothing():
    stack = torch.randn(1, 1, 2, 9, 9)
    assert torch.equal(TipAsymmetry([0.0], [1.0])(stack), stack)


def test_draw():
    rng = np.random.default_rng(0)
    drawn = [RandomTipAsymmetry(0.05).draw((5, 8, 8), rng) for _ in range(4000)]
    length, angle = (np.array([d[k] for d in drawn]) for k in ("length", "angle"))
    assert length.min() >= 0 and 0.049 < length.max() <= 0.05
    assert abs(np.exp(1j * angle).mean()) < 0.05
    assert str(RandomTipAsymmetry()) == "RandomTipAsymmetry(length=0.05)"
    with pytest.raises(InputError, match="B = 1 as drawn"):
        TipAsymmetry([0.1], [1.0])(torch.zeros(2, 1, 2, 4, 4))
