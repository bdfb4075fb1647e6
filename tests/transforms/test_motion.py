import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from torch_afm.transforms import Creep, Drift, Motion
from torch_afm.utils import InputError

NONE = {
    "velocity": [[0.0, 0.0]],
    "creep": [[0.0, 0.0]],
    "shifts": [[[0.0, 0.0]] * 3],
    "rows": [0],
    "jump": [[0.1, 0.2]],
}


@pytest.fixture
def stack():
    return torch.randn(1, 1, 3, 20, 30, generator=torch.manual_seed(0), dtype=torch.float64)


def test_without_motion_the_stack_stays(stack):
    assert torch.equal(Motion.apply(stack, **NONE), stack)


@pytest.mark.parametrize(("name", "other"), [("velocity", Drift), ("creep", Creep)])
def test_one_motion_alone_is_that_augmentation(stack, name, other):
    vectors = [[0.04, -0.03]]
    torch.testing.assert_close(Motion.apply(stack, **NONE | {name: vectors}), other.apply(stack, vectors))


def test_all_motions_are_one_interpolation(stack):
    drawn = {
        "velocity": [[0.02, 0.01]],
        "creep": [[-0.03, 0.02]],
        "shifts": [[[0.02, 0.0], [0.0, -0.01], [0.0, 0.0]]],
        "rows": [25],
        "jump": [[0.05, -0.04]],
    }
    out = Motion.apply(stack, **drawn).numpy()
    for z, row in ((0, 3), (1, 4), (1, 5), (2, 19)):
        time, t = z - 2 + row / 19 - 0.5, row / 19
        left = 1 - np.log1p(t / 0.05) / np.log1p(1 / 0.05)
        by = np.array([0.02, 0.01]) * time + np.array([-0.03, 0.02]) * left + drawn["shifts"][0][z]
        if z * 20 + row < 25:
            by += np.array([0.05, -0.04])
        at = [np.full(30, row + by[1] * 20), np.arange(30) + by[0] * 30]
        expected = map_coordinates(stack[0, 0, z].numpy(), at, order=1, mode="nearest")
        np.testing.assert_allclose(out[0, 0, z, row], expected, atol=1e-12)


def test_draw():
    rng = np.random.default_rng(0)
    drawn = [Motion(0.01, 0.02, 0.03, 0.25, 0.04).draw((5, 10, 8), rng) for _ in range(2000)]
    for name, limit in (("velocity", 0.01), ("creep", 0.02), ("jump", 0.04)):
        lengths = np.hypot(*np.array([d[name] for d in drawn]).T)
        assert lengths.max() <= limit and lengths.mean() == pytest.approx(limit / 2, rel=0.05)
    shifts = np.array([d["shifts"] for d in drawn])
    assert not shifts[:, -1].any()
    steps = np.diff(shifts, axis=1)
    assert np.abs(steps).max() <= 0.03 and np.abs(steps).mean() == pytest.approx(0.015, rel=0.05)
    rows = np.array([d["rows"] for d in drawn])
    assert rows.max() < 40 and np.mean(rows > 0) == pytest.approx(0.25, abs=0.04)


def test_single_slice_is_drawn_too():
    drawn = Motion(change=1.0).draw((1, 10, 8), np.random.default_rng(0))
    assert drawn["shifts"] == [[0.0, 0.0]] and drawn["rows"] < 10


def test_bad_parameters(stack):
    with pytest.raises(InputError, match="shifts: expected"):
        Motion.apply(stack, **NONE | {"shifts": [[[0.0, 0.0]] * 2]})
    with pytest.raises(InputError, match="velocity: expected"):
        Motion.apply(stack, **NONE | {"velocity": [[0.0, 0.0, 0.0]]})
    with pytest.raises(InputError, match="B = 1 as drawn"):
        Motion.apply(stack.expand(2, -1, -1, -1, -1), **NONE)
