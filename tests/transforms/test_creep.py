import math

import numpy as np
import pytest
import torch

from torch_afm.transforms import Creep, RandomCreep
from torch_afm.utils import InputError


def test_a_linear_field_shows_where_rows_were_taken():
    y, x = np.mgrid[:21, :41].astype(float)
    stack = torch.from_numpy(np.tile(2 * x - y, (1, 1, 3, 1, 1)))
    out = Creep([[0.1, 0.05]])(stack).numpy()
    for row in (0, 1, 2, 10, 15):
        left = 1 - math.log(1 + row / 20 / 0.05) / math.log(21)
        expected = 2 * (20 + 0.1 * 41 * left) - (row + 0.05 * 21 * left)
        assert out[0, 0, :, row, 20] == pytest.approx(np.full(3, expected), abs=1e-12)


def test_the_last_row_stays_and_the_displacement_only_falls():
    ramp = torch.arange(60.0, dtype=torch.float64).expand(1, 1, 1, 20, 60).contiguous()
    out = Creep([[0.1, 0.0]])(ramp)
    moved = (out - ramp)[0, 0, 0, :, 20]
    assert float(moved[0]) == pytest.approx(6.0) and (moved.diff() < 0).all()
    assert torch.equal(out[..., -1, :], ramp[..., -1, :])
    # Fast first: half of the way is gone before a fifth of the rows.
    assert float(moved[4]) < 3


def test_draw():
    rng = np.random.default_rng(0)
    drawn = np.array([RandomCreep(0.04).draw((5, 8, 8), rng)["amplitude"] for _ in range(4000)])
    size = np.hypot(*drawn.T)
    assert size.max() <= 0.04 and size.mean() == pytest.approx(0.02, rel=0.03)
    assert str(RandomCreep()) == "RandomCreep(amplitude=0.04)"
    with pytest.raises(InputError, match="amplitude"):
        Creep([[0.1]])(torch.zeros(1, 1, 2, 4, 4))
