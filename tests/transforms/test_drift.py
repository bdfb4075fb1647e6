import math

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from torch_afm.transforms import Creep, Drift
from torch_afm.transforms.drift import move_rows
from torch_afm.utils import InputError


def field(x, y):
    """Bilinear, so that interpolation is exact inside."""
    return 3 + 0.5 * x - 0.2 * y


def test_a_bilinear_field_shows_where_rows_were_taken():
    y, x = np.mgrid[:21, :31].astype(float)
    stack = torch.from_numpy(np.tile(field(x, y), (2, 1, 4, 1, 1)))
    velocity = np.array([[0.02, -0.01], [0.0, 0.03]])
    out = Drift.apply(stack, velocity.tolist()).numpy()
    for b, z, row in ((0, 3, 10), (0, 0, 12), (1, 2, 14), (1, 3, 5), (0, 1, 8)):
        time = z - 3 + row / 20 - 0.5
        at_x, at_y = 15 + velocity[b, 0] * 31 * time, row + velocity[b, 1] * 21 * time
        assert out[b, 0, z, row, 15] == pytest.approx(field(at_x, at_y), abs=1e-12)


def test_the_middle_of_the_nearest_slice_stays():
    stack = torch.randn(1, 1, 3, 9, 9, generator=torch.manual_seed(0))
    out = Drift.apply(stack, [[0.05, 0.05]])
    assert torch.equal(out[0, 0, 2, 4], stack[0, 0, 2, 4])
    assert torch.equal(Drift.apply(stack, [[0.0, 0.0]]), stack)


def test_draw_of_drift():
    rng = np.random.default_rng(0)
    velocity = np.array([Drift(0.02).draw((5, 8, 8), rng)["velocity"] for _ in range(4000)])
    speed = np.hypot(*velocity.T)
    assert speed.max() <= 0.02 and speed.mean() == pytest.approx(0.01, rel=0.03)
    assert np.abs((velocity / speed[:, None]).mean(0)).max() < 0.05
    assert str(Drift()) == "Drift(speed=0.01)"
    with pytest.raises(InputError, match="velocity"):
        Drift.apply(torch.zeros(1, 1, 2, 4, 4), [[0.1]])


def test_creep_of_a_linear_field_shows_where_rows_were_taken():
    y, x = np.mgrid[:21, :41].astype(float)
    stack = torch.from_numpy(np.tile(2 * x - y, (1, 1, 3, 1, 1)))
    out = Creep.apply(stack, [[0.1, 0.05]]).numpy()
    for row in (0, 1, 2, 10, 15):
        left = 1 - math.log(1 + row / 20 / 0.05) / math.log(21)
        expected = 2 * (20 + 0.1 * 41 * left) - (row + 0.05 * 21 * left)
        assert out[0, 0, :, row, 20] == pytest.approx(np.full(3, expected), abs=1e-12)


def test_the_last_row_stays_and_the_displacement_only_falls():
    ramp = torch.arange(60.0, dtype=torch.float64).expand(1, 1, 1, 20, 60).contiguous()
    out = Creep.apply(ramp, [[0.1, 0.0]])
    moved = (out - ramp)[0, 0, 0, :, 20]
    assert float(moved[0]) == pytest.approx(6.0) and (moved.diff() < 0).all()
    assert torch.equal(out[..., -1, :], ramp[..., -1, :])
    # Fast first: half of the way is gone before a fifth of the rows.
    assert float(moved[4]) < 3


def test_draw_of_creep():
    rng = np.random.default_rng(0)
    drawn = np.array([Creep(0.04).draw((5, 8, 8), rng)["amplitude"] for _ in range(4000)])
    size = np.hypot(*drawn.T)
    assert size.max() <= 0.04 and size.mean() == pytest.approx(0.02, rel=0.03)
    assert str(Creep()) == "Creep(amplitude=0.04)"
    with pytest.raises(InputError, match="amplitude"):
        Creep.apply(torch.zeros(1, 1, 2, 4, 4), [[0.1]])


def test_moved_rows_against_scipy():
    rng = np.random.default_rng(0)
    stack = torch.from_numpy(rng.normal(size=(2, 2, 3, 9, 11)))
    dx, dy = rng.uniform(-14, 14, (2, 3, 9)), rng.uniform(-5, 5, (2, 3, 9))
    out = move_rows(stack, dx, dy).numpy()
    x, y = np.arange(11), np.arange(9)[:, None]
    for b, c, z in np.ndindex(2, 2, 3):
        at = np.broadcast_arrays(y + dy[b, z][:, None], x + dx[b, z][:, None])
        expected = map_coordinates(stack[b, c, z].numpy(), at, order=1, mode="nearest")
        np.testing.assert_allclose(out[b, c, z], expected, atol=1e-12)


def test_whole_pixels_are_exact_and_nothing_moves_nothing():
    stack = torch.randn(1, 1, 2, 6, 7, generator=torch.manual_seed(0))
    none = np.zeros((1, 2, 6))
    assert torch.equal(move_rows(stack, none, none), stack)
    moved = move_rows(stack, none + 2, none - 1)
    torch.testing.assert_close(moved[..., 1:, :-2], stack[..., :-1, 2:], rtol=0, atol=0)


def test_a_single_row_or_column():
    stack = torch.randn(1, 1, 1, 1, 5)
    none = np.zeros((1, 1, 1))
    assert torch.equal(move_rows(stack, none, none + 3), stack)
    stack, none = stack.transpose(3, 4), np.zeros((1, 1, 5))
    assert torch.equal(move_rows(stack, none + 3, none), stack)
