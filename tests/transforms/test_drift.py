import numpy as np
import pytest
import torch

from torch_afm.transforms import Drift, RandomDrift
from torch_afm.utils import InputError


def field(x, y):
    """Bilinear, so that interpolation is exact inside."""
    return 3 + 0.5 * x - 0.2 * y


def test_a_bilinear_field_shows_where_rows_were_taken():
    y, x = np.mgrid[:21, :31].astype(float)
    stack = torch.from_numpy(np.tile(field(x, y), (2, 1, 4, 1, 1)))
    velocity = np.array([[0.02, -0.01], [0.0, 0.03]])
    out = Drift(velocity.tolist())(stack).numpy()
    for b, z, row in ((0, 3, 10), (0, 0, 12), (1, 2, 14), (1, 3, 5), (0, 1, 8)):
        time = z - 3 + row / 20 - 0.5
        at_x, at_y = 15 + velocity[b, 0] * 31 * time, row + velocity[b, 1] * 21 * time
        assert out[b, 0, z, row, 15] == pytest.approx(field(at_x, at_y), abs=1e-12)


def test_the_middle_of_the_nearest_slice_stays():
    stack = torch.randn(1, 1, 3, 9, 9, generator=torch.manual_seed(0))
    out = Drift([[0.05, 0.05]])(stack)
    assert torch.equal(out[0, 0, 2, 4], stack[0, 0, 2, 4])
    assert torch.equal(Drift([[0.0, 0.0]])(stack), stack)


def test_draw():
    rng = np.random.default_rng(0)
    velocity = np.array([RandomDrift(0.02).draw((5, 8, 8), rng)["velocity"] for _ in range(4000)])
    speed = np.hypot(*velocity.T)
    assert speed.max() <= 0.02 and speed.mean() == pytest.approx(0.01, rel=0.03)
    assert np.abs((velocity / speed[:, None]).mean(0)).max() < 0.05
    assert str(RandomDrift()) == "RandomDrift(speed=0.01)"
    with pytest.raises(InputError, match="velocity"):
        Drift([[0.1]])(torch.zeros(1, 1, 2, 4, 4))
