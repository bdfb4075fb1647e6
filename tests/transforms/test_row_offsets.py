import numpy as np
import pytest
import torch

from torch_afm.transforms import AddRowOffsets, RandomRowOffsets
from torch_afm.utils import InputError


def test_normal_in_units_of_each_slice_s_range_and_constant_along_rows():
    stack = torch.zeros(2, 1, 3, 400, 6, dtype=torch.float64)
    stack[:, 0, 1, 0, 0] = 10.0
    stack[:, 0, 2, 5, 5] = -4.0
    added = (AddRowOffsets([0.2, 0.5], [3, 4])(stack) - stack).numpy()
    assert (added[:, 0, 0] == 0).all()
    for b, a in enumerate((0.2, 0.5)):
        for z, span in ((1, 10.0), (2, 4.0)):
            rows = added[b, 0, z] / (a * span)
            assert np.ptp(rows, axis=1).max() < 1e-12
            # Moments of the normal distribution, each within 5 standard errors.
            values, n = rows[:, 0], len(rows)
            assert abs(values.mean()) < 5 / np.sqrt(n)
            assert abs((values**2).mean() - 1) < 5 * np.sqrt(2 / n)
            assert abs((values[1:] * values[:-1]).mean()) < 5 / np.sqrt(n)


def test_seeds_and_replay():
    stack = torch.randn(3, 1, 2, 32, 8, generator=torch.manual_seed(0))
    out = AddRowOffsets([0.1, 0.1, 0.2], [1, 2, 1])(stack)
    assert torch.equal(out[2:], AddRowOffsets([0.2], [1])(stack[2:]))
    ranges = stack.amax((-2, -1)) - stack.amin((-2, -1))
    first, second, third = ((out - stack)[..., 0] / ranges[..., None]).unbind()
    torch.testing.assert_close(2 * first, third, rtol=1e-4, atol=1e-5)
    assert float(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1].abs()) < 0.6


def test_draw():
    rng = np.random.default_rng(0)
    drawn = [RandomRowOffsets(0.03).draw((10, 8, 8), rng) for _ in range(4000)]
    amplitude = np.array([d["amplitude"] for d in drawn])
    assert amplitude.min() >= 0 and amplitude.mean() == pytest.approx(0.03 * np.sqrt(2 / np.pi), rel=0.05)
    assert len({d["seed"] for d in drawn}) == 4000
    assert str(RandomRowOffsets()) == "RandomRowOffsets(sigma=0.03)"
    with pytest.raises(InputError, match="B = 1 as drawn"):
        AddRowOffsets([0.1], [1])(torch.zeros(2, 1, 2, 4, 4))
