import numpy as np
import torch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, PotentialGrid
from torch_afm.ppm import ProbeParticleModel
from torch_afm.transforms import CropWindow, RandomCropWindow

SCAN = Scan(window=((-4.0, 6.0), (0.0, 8.0)), pixels=(21, 17), n_slices=2, n_oscillation=3)


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
    crop = CropWindow([(7, 3)], [(10, 9)])
    small = crop.scan(SCAN)
    assert small.pixels == (10, 9) and small.window == ((-1.25, 3.25), (2.0, 6.0))
    crop.graph([molecule], SCAN)
    expected = ProbeParticleModel(small, Tip(), dtype=torch.float64, backend="torch")(molecule, z_top=8.5)
    assert torch.allclose(crop.stack(stack), expected, atol=1e-6)
    assert torch.equal(crop.stack(stack), stack[..., 3:12, 7:17])


def test_every_place_that_shows_all_atoms_and_no_other():
    pos = np.array([[-1.0, 2.1, 0.0], [2.0, 5.0, -0.3]])
    crop = RandomCropWindow((13, 11))
    rng = np.random.default_rng(0)
    corners = {tuple(crop.draw(SCAN, pos, rng)["corner"]) for _ in range(2000)}
    # By hand, in Å: -4 + ix/2 <= -1 and 2 <= -4 + (ix + 12)/2; iy/2 <= 2.1 and 5 <= (iy + 10)/2.
    assert corners == {(ix, iy) for ix in range(0, 7) for iy in range(0, 5)}
    for corner in corners:
        data = AFMData(pos=torch.from_numpy(pos))
        CropWindow([corner], [(13, 11)]).graph([data], SCAN)
        (x0, x1), (y0, y1) = crop.scan(SCAN).window
        assert x0 <= data.pos[:, 0].min() and data.pos[:, 0].max() <= x1
        assert y0 <= data.pos[:, 1].min() and data.pos[:, 1].max() <= y1


def test_too_large_a_molecule_is_centred():
    pos = np.array([[-3.5, 1.0, 0.0], [4.5, 7.0, 0.0]])
    drawn = RandomCropWindow((9, 9)).draw(SCAN, pos, np.random.default_rng(0))
    assert drawn == {"corner": [5, 4], "pixels": [9, 9]}
