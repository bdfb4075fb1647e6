import numpy as np
import torch

from torch_afm.data import PotentialGrid
from torch_afm.ppm.far_potential import Multipoles, NearestPoint
from torch_afm.units import COULOMB

POS = np.array([(0.0, 0.5, 0.0), (0.9, -0.4, -0.3)])


def volts(points):
    distance = np.linalg.norm(points[..., None, :] - POS, axis=-1)
    return (COULOMB * np.array([0.5, -0.3]) / distance.clip(0.3)).sum(-1)


def grid():
    empty = PotentialGrid(np.zeros((40, 42, 38)), np.array([-4.0, -4.1, -3.9]), np.diag([8.0, 8.4, 7.6]))
    return PotentialGrid(volts(empty.points()), empty.origin, empty.cell)


def test_multipoles_go_on_beyond_the_faces():
    rng = np.random.default_rng(0)
    points = rng.uniform(-9, 9, (300, 3))
    points = points[np.abs(points).max(1) > 4]
    at = torch.from_numpy(points).requires_grad_()
    found = Multipoles(grid(), POS).at(at)
    np.testing.assert_allclose(found.detach(), volts(points), atol=1e-4)
    (slope,) = torch.autograd.grad(found.sum(), at)
    step = np.array([0.0, 1e-4, 0.0])
    expected = (volts(points + step) - volts(points - step)) / 2e-4
    np.testing.assert_allclose(slope[:, 1], expected, atol=1e-3)


def test_nearest_point_along_edges_that_do_not_repeat():
    values = np.arange(8.0).reshape(2, 2, 2)
    beyond = NearestPoint(PotentialGrid(values, np.zeros(3), np.eye(3)), np.array([True, False, False]))
    found = beyond(np.array([2, -1, 0]), np.array([3, 2, 1]))
    assert found.shape == (2, 4, 2)
    assert found[0, 0, 1] == values[0, 0, 1] and found[1, 3, 0] == values[1, 1, 0]
