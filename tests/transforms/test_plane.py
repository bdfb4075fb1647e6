import math

import numpy as np
import pytest
import torch

from torch_afm.transforms import Plane


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
