import numpy as np
import pytest
import torch

from torch_afm.transforms import Cutout


def test_number_and_area():
    rng = np.random.default_rng(0)
    cutout = Cutout()
    drawn = [np.array(cutout.draw((10, 128, 128), rng)["rectangles"]).reshape(-1, 5) for _ in range(300)]
    counts = np.concatenate([np.bincount(d[:, 0], minlength=10) for d in drawn])
    assert counts.max() <= 5 and counts.mean() == pytest.approx(1.0, rel=0.05)
    y0, y1, x0, x1 = np.concatenate(drawn).T[1:]
    assert min(y0.min(), x0.min()) >= 0 and max(y1.max(), x1.max()) <= 128
    area = (y1 - y0) * (x1 - x0) / 128**2
    # Rounding the sides to whole pixels blurs the limits 0.1 % and 1 % a little.
    assert area.mean() == pytest.approx(0.0055, rel=0.1) and area.max() < 0.0115


def test_zeros_there_and_nowhere_else():
    stack = torch.rand(3, 2, 3, 16, 12, generator=torch.manual_seed(0)) + 1
    rectangles = [[[1, 2, 5, 3, 9], [1, 4, 6, 8, 12], [2, 0, 16, 0, 12]], [], [[0, 15, 16, 11, 12]]]
    out = Cutout.apply(stack, rectangles)
    expected = stack.clone()
    for sample, own in zip(expected, rectangles, strict=True):
        for z, y0, y1, x0, x1 in own:
            sample[:, z, y0:y1, x0:x1] = 0
    assert torch.equal(out, expected) and (stack > 0).all() and int((out == 0).sum()) > 0


def test_no_rectangles_at_all():
    stack = torch.rand(2, 1, 3, 4, 4)
    assert torch.equal(Cutout.apply(stack, [[], []]), stack)
    assert Cutout(p=0.0).draw((3, 4, 4), np.random.default_rng(0)) == {"rectangles": []}
