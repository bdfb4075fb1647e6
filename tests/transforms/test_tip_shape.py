import math

import numpy as np
import pytest
import torch

from torch_afm.transforms import DoubleTip, TipAsymmetry
from torch_afm.utils import InputError


def test_ghosts_written_out():
    stack = torch.zeros(2, 1, 4, 20, 30, dtype=torch.float64)
    for z in range(4):
        stack[:, 0, z, 5 + z, 7] = 1.0 + z
    out = DoubleTip.apply(stack, [0.25, 0.5], [[0.2, 0.1], [-0.1, 0.25]], [1, 0])
    expected = torch.zeros_like(stack)
    for b, (w, dx, dy, h) in enumerate(((0.25, 6, 2, 1), (0.5, -3, 5, 0))):
        for z in range(4):
            far = max(z - h, 0)
            expected[b, 0, z, 5 + z, 7] += (1 + z) / (1 + w)
            expected[b, 0, z, 5 + far + dy, 7 + dx] += w * (1 + far) / (1 + w)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)


def test_a_flat_image_and_no_ghost_stay():
    flat = torch.full((1, 2, 3, 8, 8), -7.5)
    torch.testing.assert_close(DoubleTip.apply(flat, [0.3], [[0.1, 0.0]], [2]), flat)
    stack = torch.randn(1, 1, 3, 8, 8)
    assert torch.equal(DoubleTip.apply(stack, [0.0], [[0.1, 0.0]], [2]), stack)


def test_draw_of_double_tips():
    rng = np.random.default_rng(0)
    drawn = [DoubleTip().draw((5, 8, 8), rng) for _ in range(4000)]
    distance = np.hypot(*np.array([d["offset"] for d in drawn]).T)
    assert distance.min() >= 0.03 and distance.max() <= 0.15
    assert distance.mean() == pytest.approx(0.09, rel=0.02)
    assert np.mean([d["weight"] for d in drawn]) == pytest.approx(0.15, rel=0.03)
    assert {d["height"] for d in drawn} == {0, 1, 2}
    assert str(DoubleTip()) == "DoubleTip(weight=0.3, distance=(0.03, 0.15), height=2)"
    with pytest.raises(InputError, match="B = 1 as drawn"):
        DoubleTip.apply(torch.zeros(2, 1, 2, 4, 4), [0.1], [[0.0, 0.0]], [1])


def test_a_point_gets_a_tail_to_one_side():
    stack = torch.zeros(2, 1, 1, 33, 41, dtype=torch.float64)
    stack[..., 16, 16] = 1.0
    # 8 pixels along x, and 8 of the 33 downwards: the points of the tail fall on pixels.
    out = TipAsymmetry.apply(stack, [8 / 41, 8 / 33], [0.0, math.pi / 2])
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
    change = (TipAsymmetry.apply(stack, [0.1], [0.6]) - stack)[0, 0, 0, 20, 20]
    assert float(change) == pytest.approx(-reach * (math.cos(0.6) + 3 * math.sin(0.6)), abs=1e-10)


def test_no_tail_changes_nothing():
    stack = torch.randn(1, 1, 2, 9, 9)
    assert torch.equal(TipAsymmetry.apply(stack, [0.0], [1.0]), stack)


def test_draw_of_tails():
    rng = np.random.default_rng(0)
    drawn = [TipAsymmetry(0.05).draw((5, 8, 8), rng) for _ in range(4000)]
    length, angle = (np.array([d[k] for d in drawn]) for k in ("length", "angle"))
    assert length.min() >= 0 and 0.049 < length.max() <= 0.05
    assert abs(np.exp(1j * angle).mean()) < 0.05
    assert str(TipAsymmetry()) == "TipAsymmetry(length=0.05)"
    with pytest.raises(InputError, match="B = 1 as drawn"):
        TipAsymmetry.apply(torch.zeros(2, 1, 2, 4, 4), [0.1], [1.0])
