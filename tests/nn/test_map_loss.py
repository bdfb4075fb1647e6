import math

import pytest
import torch

from torch_afm.config import Scan
from torch_afm.nn import MapGrid
from torch_afm.nn.map_loss import around, focal_loss, gaussian_nll, topmost

GRID = MapGrid.from_scan(Scan(window=((-4.0, 4.0), (-4.0, 4.0)), pixels=(17, 17), n_slices=2))


def test_topmost_of_a_column_is_the_target():
    pos = torch.tensor([[0, 0, -1.5], [0.1, 0.1, -0.1], [0, 0, -1.1], [1.5, 0, -2.0], [9.0, 0, 0]])
    plane = torch.tensor([0, 0, 1, 0, 0])
    assert topmost(GRID, pos, plane).tolist() == [False, True, True, True, False]


def test_gaussian_nll_is_that_of_a_normal_distribution():
    mean, log_var, true = torch.randn(3, 4, dtype=torch.float64, generator=torch.manual_seed(0))
    normal = torch.distributions.Normal(mean, (log_var / 2).exp())
    torch.testing.assert_close(
        gaussian_nll(mean, log_var, true), -normal.log_prob(true) - math.log(2 * math.pi) / 2
    )


def test_focal_loss_pixel_by_pixel():
    generator = torch.Generator().manual_seed(0)
    logits, spread = torch.randn(2, 5, dtype=torch.float64, generator=generator).unbind()
    spread = spread.abs().clamp(max=1)
    weights = torch.tensor([0.0, 0.5, 0.0, 1.0, 0.0], dtype=torch.float64)
    expected = 0.0
    for x, y, v in zip(logits.tolist(), spread.tolist(), weights.tolist(), strict=True):
        p = 1 / (1 + math.exp(-x))
        expected -= v * (1 - p) ** 2 * math.log(p) if v else (1 - y) ** 4 * p**2 * math.log(1 - p)
    assert focal_loss(logits, spread, weights).item() == pytest.approx(expected)


def test_nine_pixels_share_an_atom():
    pos = torch.tensor([[0.6, -0.9, -0.2], [4.0, -4.0, -1.0]], dtype=torch.float64)
    place = around(GRID, pos, 0.5)
    torch.testing.assert_close(place.omega.sum(dim=1), torch.ones(2, dtype=torch.float64))
    assert (place.omega[0] > 0).all() and int((place.omega[1] > 0).sum()) == 4
    x, y = GRID.axes(pos)
    torch.testing.assert_close(x[place.column[0]] + place.pos[0, :, 0], pos[0, 0].expand(9))
    torch.testing.assert_close(y[place.row[0]] + place.pos[0, :, 1], pos[0, 1].expand(9))
    assert (place.pos[:, :, 2] == pos[:, 2:]).all() and int(place.omega[0].argmax()) == 4
