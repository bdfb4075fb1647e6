import numpy as np
import torch
from scipy import ndimage

from torch_afm.transforms import RandomSliceShift


def test_matches_scipy():
    stack = torch.rand(1, 4, 20, 30, generator=torch.manual_seed(0))
    shifts = torch.tensor([[0.1, 0.0], [-0.05, 0.15], [0.02, -0.03], [0.0, 0.0]], dtype=torch.float64)
    out = RandomSliceShift().apply(stack, shifts)
    for z in range(4):
        pixels = (float(shifts[z, 1]) * 20, float(shifts[z, 0]) * 30)
        expected = ndimage.shift(stack[0, z].numpy(), pixels, order=1, mode="nearest")
        assert np.allclose(out[0, z], expected, atol=1e-5)


def test_limits():
    shift = RandomSliceShift(0.02, 0.04)
    rng = np.random.default_rng(0)
    drawn = torch.stack([shift.draw(10, rng) for _ in range(500)])
    assert drawn[:, -1].abs().max() == 0
    assert drawn.diff(dim=1).abs().max() <= 0.02 + 1e-12
    assert 0.039 < drawn.abs().max() <= 0.04
