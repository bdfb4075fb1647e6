import numpy as np
import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, PotentialGrid
from torch_afm.ppm import ProbeParticleModel
from torch_afm.transforms import CropSlices, CropWindow

SCAN = Scan(window=((-4.0, 6.0), (0.0, 8.0)), pixels=(21, 17), n_slices=2, n_oscillation=3)
SLICED = Scan(pixels=(6, 5), n_slices=7, n_oscillation=3)


def test_cropped_stack_is_the_stack_of_the_moved_molecule():
    molecule = AFMData(
        z=torch.tensor([6, 8]), pos=torch.tensor([[1.5, 5.2, 0.0], [2.7, 5.2, -0.2]], dtype=torch.float64)
    )
    # A potential that falls off along x and z, and is moved along.
    x, z = np.meshgrid(np.linspace(-10, 10, 60), np.linspace(0, 9, 40), indexing="ij")
    values = np.repeat(np.exp(-0.1 * x * x - z)[:, None], 4, axis=1)
    box = np.diag([20 * 60 / 59, 40, 9 * 40 / 39])
    molecule.potential = PotentialGrid(values, np.array([-9.0, -15.0, 0.0]), box)
    stack = ProbeParticleModel(SCAN, Tip(), dtype=torch.float64, backend="torch")(molecule, z_top=8.5)
    drawn = {"corner": [(7, 3)], "pixels": [(10, 9)]}
    small = CropWindow.apply_to_scan(SCAN, **drawn)
    assert small.pixels == (10, 9) and small.window == ((-1.25, 3.25), (2.0, 6.0))
    CropWindow.apply_to_graphs([molecule], SCAN, **drawn)
    expected = ProbeParticleModel(small, Tip(), dtype=torch.float64, backend="torch")(molecule, z_top=8.5)
    assert torch.allclose(CropWindow.apply(stack, **drawn), expected, atol=1e-6)
    assert torch.equal(CropWindow.apply(stack, **drawn), stack[..., 3:12, 7:17])


def test_every_place_that_shows_all_atoms_and_no_other():
    pos = np.array([[-1.0, 2.1, 0.0], [2.0, 5.0, -0.3]])
    crop = CropWindow((13, 11))
    rng = np.random.default_rng(0)
    corners = {tuple(crop.draw(SCAN, pos, rng)["corner"]) for _ in range(2000)}
    # By hand, in Å: -4 + ix/2 <= -1 and 2 <= -4 + (ix + 12)/2; iy/2 <= 2.1 and 5 <= (iy + 10)/2.
    assert corners == {(ix, iy) for ix in range(0, 7) for iy in range(0, 5)}
    for corner in corners:
        data = AFMData(pos=torch.from_numpy(pos))
        CropWindow.apply_to_graphs([data], SCAN, [corner], [(13, 11)])
        (x0, x1), (y0, y1) = crop.scan(SCAN).window
        assert x0 <= data.pos[:, 0].min() and data.pos[:, 0].max() <= x1
        assert y0 <= data.pos[:, 1].min() and data.pos[:, 1].max() <= y1


def test_too_large_a_molecule_is_centered():
    pos = np.array([[-3.5, 1.0, 0.0], [4.5, 7.0, 0.0]])
    drawn = CropWindow((9, 9)).draw(SCAN, pos, np.random.default_rng(0))
    assert drawn == {"corner": [5, 4], "pixels": [9, 9]}


def test_slices_are_those_of_a_scan_begun_lower():
    molecule = AFMData(
        z=torch.tensor([6]), pos=torch.zeros(1, 3, dtype=torch.float64), z_top=torch.tensor([9.0])
    )
    stack = ProbeParticleModel(SLICED, Tip(), dtype=torch.float64, backend="torch")(molecule)
    drawn = {"start": [2], "count": [4], "n_slices": [4]}
    CropSlices.apply_to_graphs([molecule], SLICED, **drawn)
    assert float(molecule.z_top) == pytest.approx(8.8)
    expected = ProbeParticleModel(
        CropSlices.apply_to_scan(SLICED, **drawn), Tip(), dtype=torch.float64, backend="torch"
    )(molecule)
    assert torch.allclose(CropSlices.apply(stack, **drawn), expected, atol=1e-6)


def test_the_nearest_are_known():
    stack = torch.rand(3, 2, 7, 5, 6, generator=torch.manual_seed(0)) + 1
    out = CropSlices.apply(stack, [0, 1, 3], [4, 2, 1], [4, 4, 4])
    assert torch.equal(out[0], stack[0, :, :4])
    assert torch.equal(out[1, :, 2:], stack[1, :, 3:5]) and torch.equal(out[2, :, 3], stack[2, :, 6])
    assert not out[1, :, :2].any() and not out[2, :, :3].any() and (stack >= 1).all()


def test_draws_every_start_and_count():
    rng = np.random.default_rng(0)
    drawn = [CropSlices(4, 2).draw(SLICED, np.zeros((1, 3)), rng) for _ in range(500)]
    assert {d["start"] for d in drawn} == {0, 1, 2, 3} and {d["count"] for d in drawn} == {2, 3, 4}
    assert {CropSlices(4).draw(SLICED, np.zeros((1, 3)), rng)["count"] for _ in range(50)} == {4}
    assert CropSlices(4).scan(SLICED).shape == (4, 5, 6)
