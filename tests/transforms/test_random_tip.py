import numpy as np
import pytest

from torch_afm.config import Tip
from torch_afm.transforms import RandomTip


def test_uniform_in_the_disk():
    rng = np.random.default_rng(0)
    drawn = [RandomTip(radius=0.5, distance=0.25).draw(rng) for _ in range(4000)]
    x, y = np.array([d["tilt"] for d in drawn]).T
    # Uniform over the area: r² is uniform, with mean R²/2.
    assert np.hypot(x, y).max() <= 0.5 and np.mean(x**2 + y**2) == pytest.approx(0.125, rel=0.05)
    assert np.abs([x.mean(), y.mean()]).max() < 0.02
    shifts = np.array([d["distance"] for d in drawn])
    assert np.abs(shifts).max() <= 0.25 and np.std(shifts) == pytest.approx(0.25 / np.sqrt(3), rel=0.05)


def test_moves_from_where_the_tip_was():
    before = Tip(tilt=(0.1, 0.2), stiffness=(0.5, 0.5, 0.0))
    moved, z_top = RandomTip.apply(before, 9.0, tilt=[0.1, -0.3], distance=0.2)
    assert moved.tilt == pytest.approx((0.2, -0.1)) and moved.stiffness == (0.5, 0.5, 0.0)
    assert z_top == 9.2


def test_same_seed_same_tip():
    first, second = (RandomTip().draw(np.random.default_rng(5)) for _ in range(2))
    assert first == second
