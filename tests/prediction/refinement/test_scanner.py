"""A scanner against a molecule that is moved by hand, and finite differences."""

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.datasets import Nuisances
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction.refinement import ScannedModel, Scanner
from torch_afm.testing import benzene
from torch_afm.utils import InputError

SCAN = Scan(window=((-4.0, 4.0), (-3.0, 5.0)), pixels=(9, 9), n_slices=2)
SCANNER = Scanner((1.1, 0.9), 0.05)
TOP = torch.tensor([8.0], dtype=torch.float64)


@pytest.fixture
def model():
    return ScannedModel(ProbeParticleModel(SCAN, backend="torch", dtype=torch.float64), SCANNER)


def double(data):
    data.pos, data.charge = data.pos.double(), torch.zeros(len(data.z), dtype=torch.float64)
    return data


def test_places_are_those_of_the_drawn_measurements():
    measurement = Nuisances(share=1.0).draw(SCAN, benzene().pos.numpy(), np.random.default_rng(0))
    (sx, h), (_, sy) = np.asarray(measurement.matrix)
    points = torch.rand(5, 2, dtype=torch.float64)
    found = Scanner((float(sx), float(sy)), float(h)).to_sample(points, SCAN.center)
    torch.testing.assert_close(found, measurement.to_sample(points, SCAN))
    with pytest.raises(InputError, match="scale: expected positive"):
        Scanner((1.0, 0.0))


def test_a_pixel_shows_what_is_at_its_place_in_the_sample(model):
    data = double(benzene())
    stack = model(data, tip=Tip(), z_top=TOP)
    assert stack.shape == (1, 1, 2, 9, 9)
    pixel, height = (6, 2), (0.0, 1.0)
    u = torch.tensor([SCAN.x[pixel[0]] - height[0], SCAN.y[pixel[1]] - height[1]])
    place = torch.tensor([[1.1, 0.05], [0.0, 0.9]], dtype=torch.float64) @ u + torch.tensor(height)
    moved = data.clone()
    moved.pos[:, :2] = (data.pos[:, :2] - torch.tensor(height)) @ SCANNER.matrix.T + torch.tensor(height)
    wide = Scan(window=((-6.0, 6.0), (-6.0, 6.0)), pixels=(9, 9), n_slices=2)
    expected = ProbeParticleModel(wide, backend="torch", dtype=torch.float64)(
        moved, tip=Tip(), z_top=TOP, pixels=place[None]
    )
    torch.testing.assert_close(stack[..., pixel[1], pixel[0]], expected[..., 0], rtol=1e-6, atol=1e-9)
    picked = model(data, tip=Tip(), z_top=TOP, pixels=torch.tensor([pixel]))
    torch.testing.assert_close(picked[..., 0], expected[..., 0], rtol=1e-6, atol=1e-9)


def test_the_jacobian_is_that_of_finite_differences(model):
    data, pixels = double(benzene()), torch.tensor([[4, 4], [6, 3]])
    tip = model.tip
    found = model.jacobian(data, tip, TOP, pixels)
    torch.testing.assert_close(found.stack, model(data, tip=tip, z_top=TOP, pixels=pixels)[0, 0])
    for axis in range(3):
        stacks = []
        for step in (-1e-4, 1e-4):
            moved = data.clone()
            moved.pos[3, axis] += step
            stacks.append(model(moved, tip=tip, z_top=TOP, pixels=pixels)[0, 0])
        torch.testing.assert_close(
            found.pos[:, :, 3, axis], (stacks[1] - stacks[0]) / 2e-4, rtol=1e-3, atol=1e-4
        )


def test_a_scanner_without_fault_changes_nothing():
    plain = ProbeParticleModel(SCAN)
    model, data = ScannedModel(plain, Scanner()), benzene()
    assert torch.equal(model(data, z_top=8.0), plain(data, z_top=8.0))
    batch = Batch.from_data_list([AFMData(z=data.z, pos=data.pos)] * 2)
    assert ScannedModel(plain, SCANNER)(batch, z_top=8.0).shape == (2, 1, *SCAN.shape)
