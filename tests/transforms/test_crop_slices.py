import numpy as np
import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm import ProbeParticleModel
from torch_afm.transforms import CropSlices, RandomCropSlices

SCAN = Scan(pixels=(6, 5), n_slices=7, n_oscillation=3)


def test_slices_are_those_of_a_scan_begun_lower():
    molecule = AFMData(
        z=torch.tensor([6]), pos=torch.zeros(1, 3, dtype=torch.float64), z_top=torch.tensor([9.0])
    )
    stack = ProbeParticleModel(SCAN, Tip(), dtype=torch.float64, backend="torch")(molecule)
    crop = CropSlices([2], [4], [4])
    crop.graph([molecule], SCAN)
    assert float(molecule.z_top) == pytest.approx(8.8)
    expected = ProbeParticleModel(crop.scan(SCAN), Tip(), dtype=torch.float64, backend="torch")(molecule)
    assert torch.allclose(crop.stack(stack), expected, atol=1e-6)


def test_the_nearest_are_known():
    stack = torch.rand(3, 2, 7, 5, 6, generator=torch.manual_seed(0)) + 1
    out = CropSlices([0, 1, 3], [4, 2, 1], [4, 4, 4]).stack(stack)
    assert torch.equal(out[0], stack[0, :, :4])
    assert torch.equal(out[1, :, 2:], stack[1, :, 3:5]) and torch.equal(out[2, :, 3], stack[2, :, 6])
    assert not out[1, :, :2].any() and not out[2, :, :3].any() and (stack >= 1).all()


def test_draw():
    rng = np.random.default_rng(0)
    drawn = [RandomCropSlices(4, 2).draw(SCAN, np.zeros((1, 3)), rng) for _ in range(500)]
    assert {d["start"] for d in drawn} == {0, 1, 2, 3} and {d["count"] for d in drawn} == {2, 3, 4}
    assert {RandomCropSlices(4).draw(SCAN, np.zeros((1, 3)), rng)["count"] for _ in range(50)} == {4}
    assert RandomCropSlices(4).scan(SCAN).shape == (4, 5, 6)
