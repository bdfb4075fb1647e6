import math

import numpy as np
import pytest
import torch

from torch_afm.config import Scan
from torch_afm.nn import MapGrid

SCAN = Scan(window=((-4.0, 4.0), (-3.0, 3.0)), pixels=(16, 8), n_slices=2)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_pixels_lie_amid_those_they_stand_for(stride):
    grid = MapGrid.from_scan(SCAN, stride)
    x, y = grid.axes(torch.zeros(1, dtype=torch.float64))
    for axis, pixels in ((x, SCAN.x), (y, SCAN.y)):
        np.testing.assert_allclose(axis.numpy(), pixels.reshape(-1, stride).mean(axis=1), atol=1e-12)
    assert grid.shape == (8 // stride, 16 // stride)


def test_the_frame_is_the_windows_center():
    moved = Scan(window=((10.0, 18.0), (-13.0, -7.0)), pixels=(16, 8), n_slices=2)
    assert MapGrid.from_scan(moved, 2) == MapGrid.from_scan(SCAN, 2)


def test_nearest_pixel():
    grid = MapGrid.from_scan(SCAN, 2)
    generator = torch.Generator().manual_seed(0)
    pos = 6 * torch.rand(50, 3, generator=generator, dtype=torch.float64) - 3
    x, y = grid.axes(pos)
    column, row = grid.nearest(pos)
    assert torch.equal(column, (pos[:, :1] - x).abs().argmin(dim=1))
    inside = (pos[:, 1] > y[0]) & (pos[:, 1] < y[-1])
    assert torch.equal(row[inside], (pos[:, 1:2] - y).abs().argmin(dim=1)[inside])
    beyond = torch.tensor([[4.8, 0.0, 0.0]], dtype=torch.float64)
    assert int(grid.nearest(beyond)[0]) >= grid.shape[1]


def test_painted_atoms_are_gaussians_where_they_belong():
    grid = MapGrid.from_scan(SCAN, 2)
    pos = torch.tensor([[0.3, -1.1, -0.5], [1.0, 0.2, -2.0], [-2.0, 1.0, -1.0]], dtype=torch.float64)
    label, batch, sigma = torch.tensor([0, 0, 1]), torch.tensor([0, 0, 2]), 0.7
    image = grid.paint(pos, label, batch, 3, 2, sigma)
    assert image.shape == (3, 3, 4, 8)
    x, y = grid.axes(pos)
    radius, middles = math.ceil(4 * sigma / min(grid.pitch)), torch.stack(grid.nearest(pos), dim=1).tolist()
    for row in range(4):
        for column in range(8):
            g = [
                math.exp(-((x[column] - p[0]) ** 2 + (y[row] - p[1]) ** 2) / (2 * sigma**2))
                * (max(abs(column - middle[0]), abs(row - middle[1])) <= radius)
                for p, middle in zip(pos.tolist(), middles, strict=True)
            ]
            expected = [[g[0] + g[1], 0.0, -0.5 * g[0] - 2.0 * g[1]], [0.0] * 3, [0.0, g[2], -g[2]]]
            np.testing.assert_allclose(image[:, :, row, column], expected, atol=1e-12)


def test_a_shift_by_whole_pixels_shifts_the_painting():
    grid = MapGrid.from_scan(SCAN, 2)
    pos = torch.tensor([[0.3, -1.1, -0.5], [-1.0, 0.2, -2.0]], dtype=torch.float64)
    step = torch.tensor([2 * grid.pitch[0], grid.pitch[1], 0.0], dtype=torch.float64)
    a, b = (grid.gaussians(p, 0.5) for p in (pos, pos + step))
    torch.testing.assert_close(a[:, :-1, :-2], b[:, 1:, 2:])


def test_no_atoms_paint_nothing():
    none = torch.zeros(0, dtype=torch.long)
    assert MapGrid.from_scan(SCAN).paint(torch.zeros(0, 3), none, none, 2, 2, 0.5).abs().sum() == 0


def test_samples_of_a_linear_map_are_exact():
    grid = MapGrid((5, 8), (-3.0, -1.0), (0.75, 0.5))
    x, y = grid.axes(torch.zeros(1, dtype=torch.float64))
    maps = torch.stack([2 * x - y[:, None], x.expand(5, 8) + 1])[None].repeat(2, 1, 1, 1)
    maps[1] *= -1
    pos = torch.tensor([[-3.0, -1.0, 0], [0.1, 0.3, 1], [2.25, 1.0, 2]], dtype=torch.float64)
    found = grid.sample(maps, pos, torch.tensor([0, 1, 0]))
    expected = torch.stack([2 * pos[:, 0] - pos[:, 1], pos[:, 0] + 1], dim=1)
    expected[1] *= -1
    torch.testing.assert_close(found, expected)
    beyond = grid.sample(maps, torch.tensor([[-9.0, 9.0]], dtype=torch.float64), torch.tensor([0]))
    torch.testing.assert_close(beyond, maps[0, :, -1, 0][None])
    assert grid.sample(maps, pos[:0], torch.empty(0, dtype=torch.long)).shape == (0, 2)


def test_a_map_about_the_middle_is_that_of_a_scan():
    grid = MapGrid.from_scan(SCAN, 2)
    found = MapGrid.centered(grid.shape, grid.pitch)
    assert found.shape == grid.shape and found.pitch == grid.pitch
    assert found.first == pytest.approx(grid.first)


def test_patches_around_atoms():
    grid = MapGrid.from_scan(SCAN, 2)
    pos = torch.tensor([[0.3, -1.1, -0.5], [3.9, 2.9, 0.0]], dtype=torch.float64)
    row, column, inside, offset = grid.patches(pos, 2)
    assert row.shape == column.shape == inside.shape == (2, 25) and offset.shape == (2, 25, 2)
    middle_column, middle_row = grid.nearest(pos)
    assert torch.equal(row[:, 12], middle_row) and torch.equal(column[:, 12], middle_column)
    x, y = grid.axes(pos)
    found = torch.stack([x[column], y[row]], dim=-1) + offset
    torch.testing.assert_close(found[inside], pos[:, None, :2].expand(-1, 25, -1)[inside])
    assert len({tuple(p) for p in torch.stack([row[0], column[0]], 1)[inside[0]].tolist()}) == inside[0].sum()
    # The second atom lies in the last pixel of both axes.
    assert int(inside[1].sum()) == 9 and bool((row < 4).all()) and bool((column < 8).all())
