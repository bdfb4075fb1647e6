import numpy as np
import torch
from scipy import ndimage

from torch_afm.transforms import SliceShift

SHIFTS = [
    [[0.1, 0.0], [-0.05, 0.15], [0.02, -0.03], [0.0, 0.0]],
    [[-0.2, 0.07], [0.3, 0.3], [0.0, 0.1], [0.0, 0.0]],
]


def test_matches_scipy():
    stack = torch.rand(2, 3, 4, 20, 30, generator=torch.manual_seed(0), dtype=torch.float64)
    out = SliceShift.apply(stack, SHIFTS)
    for b in range(2):
        for c in range(3):
            for z in range(4):
                x, y = SHIFTS[b][z]
                expected = ndimage.shift(stack[b, c, z].numpy(), (y * 20, x * 30), order=1, mode="nearest")
                assert np.allclose(out[b, c, z], expected, atol=1e-12)


def test_whole_pixels_are_exact_and_the_nearest_slice_stays():
    stack = torch.rand(1, 1, 2, 8, 16, generator=torch.manual_seed(0))
    out = SliceShift.apply(stack, [[[3 / 16, -2 / 8], [0.0, 0.0]]])
    assert torch.equal(out[..., 1, :, :], stack[..., 1, :, :])
    assert torch.equal(out[0, 0, 0, :6, 3:], stack[0, 0, 0, 2:, :13])
    assert torch.equal(out[0, 0, 0, :6, :3], stack[0, 0, 0, 2:, :1].expand(6, 3))


def test_limits():
    shift = SliceShift(0.02, 0.04)
    rng = np.random.default_rng(0)
    drawn = np.array([shift.draw((10, 8, 8), rng)["shifts"] for _ in range(500)])
    assert drawn.shape == (500, 10, 2) and np.abs(drawn[:, -1]).max() == 0
    assert np.abs(np.diff(drawn, axis=1)).max() <= 0.02 + 1e-12
    assert 0.039 < np.abs(drawn).max() <= 0.04
    # The slice next to the nearest one: uniform within the step.
    assert np.allclose(drawn[:, -2].std(axis=0), 0.02 / np.sqrt(3), rtol=0.1)
    assert str(shift) == "SliceShift(step=0.02, total=0.04)"
