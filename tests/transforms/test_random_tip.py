import numpy as np
import pytest

from torch_afm.config import Tip
from torch_afm.transforms import RandomTip


def test_uniform_in_the_disk_about_the_tilt():
    rng = np.random.default_rng(0)
    draw = RandomTip(Tip(tilt=(0.1, -0.2)), radius=0.5, distance=0.25)
    tips, shifts = zip(*(draw(rng) for _ in range(4000)), strict=True)
    r = np.hypot(*(np.array([t.tilt for t in tips]) - [0.1, -0.2]).T)
    assert r.max() <= 0.5
    # Uniform over the area: r² is uniform, with mean R²/2.
    assert np.mean(r**2) == pytest.approx(0.125, rel=0.05)
    assert np.abs(shifts).max() <= 0.25 and np.std(shifts) == pytest.approx(0.25 / np.sqrt(3), rel=0.05)
    assert {t.stiffness for t in tips} == {Tip().stiffness}


def test_same_seed_same_tip():
    draw = RandomTip(Tip())
    assert draw(np.random.default_rng(5)) == draw(np.random.default_rng(5))
