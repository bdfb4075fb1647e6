import numpy as np
import torch
from scipy.spatial.transform import Rotation

from torch_afm.data import DensityGrid
from torch_afm.ppm.resample import resample

NO = np.zeros(3, bool)


def wave(points):
    x, y, z = np.moveaxis(points, -1, 0)
    return np.exp(-0.3 * (x**2 + y**2 + z**2)) * (1 + 0.3 * x - 0.2 * y * z)


def grid(spacing=0.2):
    n = round(8 / spacing)
    found = DensityGrid(np.zeros((n, n, n)), np.full(3, -4.0), 8 * np.eye(3))
    return DensityGrid(wave(found.points()), found.origin, found.cell)


def askew():
    turn = torch.from_numpy(Rotation.from_rotvec([0.3, -0.5, 0.2]).as_matrix())
    return torch.tensor([-1.0, -0.8, -1.2], dtype=torch.float64), 0.13 * turn


def test_values_along_and_askew():
    along = torch.tensor([-1.0, -0.8, -1.2], dtype=torch.float64), 0.13 * torch.eye(3, dtype=torch.float64)
    for corner, steps in (along, askew()):
        points = corner.numpy() + np.moveaxis(np.indices((14, 12, 15)), 0, -1) @ steps.numpy()
        found = resample(grid(), NO, corner, steps, (14, 12, 15))
        np.testing.assert_allclose(found, wave(points), atol=2e-4)


def test_gradient_in_the_place():
    corner, steps = askew()
    weights = torch.randn(6, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def loss(corner, steps):
        return (weights * resample(grid(), NO, corner, steps, (6, 5, 7))).sum()

    given = corner.requires_grad_(), steps.clone().requires_grad_()
    found = torch.autograd.grad(loss(*given), given)
    with torch.no_grad():
        for which, gradient in enumerate(found):
            for index in np.ndindex(*gradient.shape):
                move = torch.zeros_like(gradient)
                move[index] = 1e-4
                ends = []
                for sign in (1, -1):
                    ends.append(loss(*(v + sign * move if i == which else v for i, v in enumerate(given))))
                assert (
                    abs(float(ends[0] - ends[1]) / 2e-4 - float(gradient[index]))
                    < 1e-3 * gradient.abs().max()
                )


def test_outside_is_zero_or_what_is_given_or_repeats():
    corner, steps = (
        torch.tensor([6.0, 0.0, 0.0], dtype=torch.float64),
        0.2 * torch.eye(3, dtype=torch.float64),
    )
    shape = (5, 4, 4)
    assert resample(grid(), NO, corner, steps, shape).abs().max() < 1e-8
    ones = resample(grid(), NO, corner, steps, shape, lambda first, last: np.ones(last - first + 1))
    assert (ones - 1).abs().max() < 1e-6
    inside = resample(grid(), NO, corner - torch.tensor([8.0, 0, 0]), steps, shape)
    again = resample(grid(), np.array([True, False, False]), corner, steps, shape)
    assert (inside - again).abs().max() < 1e-6
    assert inside.abs().max() > 0.1
