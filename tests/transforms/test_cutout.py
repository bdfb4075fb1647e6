import numpy as np
import pytest
import torch

from torch_afm.transforms import RandomCutout


def test_number_and_area():
    rng = np.random.default_rng(0)
    cutout = RandomCutout()
    drawn = [cutout.draw((10, 128, 128), rng) for _ in range(300)]
    counts = np.concatenate([np.bincount(d[:, 0], minlength=10) for d in drawn])
    assert counts.max() <= 5 and counts.mean() == pytest.approx(1.0, rel=0.05)
    y0, y1, x0, x1 = torch.cat(drawn).T[1:]
    assert int(y0.min()) >= 0 and int(x0.min()) >= 0 and int(y1.max()) <= 128 and int(x1.max()) <= 128
    area = ((y1 - y0) * (x1 - x0)).numpy() / 128**2
    # Rounding the sides to whole pixels blurs the limits 0.1 % and 1 % a little.
    assert area.mean() == pytest.approx(0.0055, rel=0.1) and area.max() < 0.0115


def test_zeros_there_and_nowhere_else():
    stack = torch.rand(1, 3, 16, 16) + 1
    rectangles = torch.tensor([[1, 2, 5, 3, 9]])
    out = RandomCutout().apply(stack, rectangles)
    assert int((out == 0).sum()) == 18 and torch.equal(out[:, 1, 2:5, 3:9], torch.zeros(1, 3, 6))
    assert torch.equal(out[:, [0, 2]], stack[:, [0, 2]]) and (stack > 0).all()
