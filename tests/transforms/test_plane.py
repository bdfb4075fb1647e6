import math

import numpy as np
import pytest
import torch

from torch_afm.transforms import Background, Plane
from torch_afm.utils import InputError


def test_plane_written_out():
    stack = torch.randn(3, 1, 2, 9, 13, generator=torch.manual_seed(0), dtype=torch.float64)
    angles = [0.3, 2.0, math.pi / 2]
    out = Plane.apply(stack, [0.1, 0.2, 0.3], angles)
    for b in range(3):
        c, s = math.cos(angles[b]), math.sin(angles[b])
        for z in range(2):
            span = float(stack[b, 0, z].max() - stack[b, 0, z].min())
            for iy in (0, 4, 8):
                for ix in (0, 6, 12):
                    rise = (c * (ix / 12 - 0.5) + s * (iy / 8 - 0.5)) / (abs(c) + abs(s))
                    expected = stack[b, 0, z, iy, ix] + 0.1 * (b + 1) * span * rise
                    assert float(out[b, 0, z, iy, ix]) == pytest.approx(float(expected), abs=1e-12)


def test_peak_to_peak_and_center():
    stack = torch.zeros(1, 1, 1, 33, 33, dtype=torch.float64)
    stack[..., 3, 3], stack[..., 5, 5] = 1.0, -1.0
    added = Plane.apply(stack, [0.25], [0.7]) - stack
    assert float(added.max() - added.min()) == pytest.approx(0.5)
    assert float(added[..., 16, 16]) == 0 and float(added.mean()) == pytest.approx(0, abs=1e-12)
    # The highest corner of a plane that rises towards +x and +y is the last one.
    assert int(added.argmax()) == 33 * 33 - 1


def test_draw():
    rng = np.random.default_rng(0)
    drawn = [Plane(0.3).draw((10, 8, 8), rng) for _ in range(4000)]
    amplitude, angle = (np.array([d[k] for d in drawn]) for k in ("amplitude", "angle"))
    assert amplitude.min() >= 0 and 0.299 < amplitude.max() <= 0.3
    assert amplitude.mean() == pytest.approx(0.15, rel=0.03)
    assert abs(np.exp(1j * angle).mean()) < 0.05
    assert str(Plane()) == "Plane(amplitude=0.3)"


def test_background_of_each_slice():
    stack = torch.randn(2, 1, 3, 9, 13, generator=torch.manual_seed(0), dtype=torch.float64)
    slopes = np.random.default_rng(0).normal(size=(2, 3, 2))
    added = (Background.apply(stack, slopes.tolist()) - stack).numpy()
    y, x = np.mgrid[:9, :13]
    design = np.stack([np.ones(9 * 13), x.ravel() / 12 - 0.5, y.ravel() / 8 - 0.5], axis=1)
    for b in range(2):
        for z in range(3):
            found, residual, *_ = np.linalg.lstsq(design, added[b, 0, z].ravel(), rcond=None)
            sigma = stack[b, 0, z].numpy().std()
            np.testing.assert_allclose(found, [0, *slopes[b, z] * sigma], atol=1e-12)
            assert residual[0] < 1e-20
    with pytest.raises(InputError, match="slopes: expected"):
        Background.apply(stack, slopes[:, :2].tolist())


def test_draw_of_background():
    drawn = Background(0.5).draw((40, 8, 8), np.random.default_rng(0))["slopes"]
    assert np.shape(drawn) == (40, 2) and np.hypot(*np.transpose(drawn)).max() <= 0.5
