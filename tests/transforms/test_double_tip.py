import numpy as np
import pytest
import torch

from torch_afm.transforms import DoubleTip, RandomDoubleTip
from torch_afm.utils import InputError


def test_ghosts_written_out():
    stack = torch.zeros(2, 1, 4, 20, 30, dtype=torch.float64)
    for z in range(4):
        stack[:, 0, z, 5 + z, 7] = 1.0 + z
    out = DoubleTip([0.25, 0.5], [[0.2, 0.1], [-0.1, 0.25]], [1, 0])(stack)
    expected = torch.zeros_like(stack)
    for b, (w, dx, dy, h) in enumerate(((0.25, 6, 2, 1), (0.5, -3, 5, 0))):
        for z in range(4):
            far = max(z - h, 0)
            expected[b, 0, z, 5 + z, 7] += (1 + z) / (1 + w)
            expected[b, 0, z, 5 + far + dy, 7 + dx] += w * (1 + far) / (1 + w)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-12)


def test_a_flat_image_and_no_ghost_stay():
    flat = torch.full((1, 2, 3, 8, 8), -7.5)
    torch.testing.assert_close(DoubleTip([0.3], [[0.1, 0.0]], [2])(flat), flat)
    stack = torch.randn(1, 1, 3, 8, 8)
    assert torch.equal(DoubleTip([0.0], [[0.1, 0.0]], [2])(stack), stack)


def test_draw():
    rng = np.random.default_rng(0)
    drawn = [RandomDoubleTip().draw((5, 8, 8), rng) for _ in range(4000)]
    distance = np.hypot(*np.array([d["offset"] for d in drawn]).T)
    assert distance.min() >= 0.03 and distance.max() <= 0.15
    assert distance.mean() == pytest.approx(0.09, rel=0.02)
    assert np.mean([d["weight"] for d in drawn]) == pytest.approx(0.15, rel=0.03)
    assert {d["height"] for d in drawn} == {0, 1, 2}
    assert str(RandomDoubleTip()) == "RandomDoubleTip(weight=0.3, distance=(0.03, 0.15), height=2)"
    with pytest.raises(InputError, match="B = 1 as drawn"):
        DoubleTip([0.1], [[0.0, 0.0]], [1])(torch.zeros(2, 1, 2, 4, 4))
