import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch_geometric.transforms import Compose, Distance

from torch_afm.config import Scan
from torch_afm.data import AFMData, PotentialGrid
from torch_afm.ppm import ProbeParticleModel
from torch_afm.testing import water
from torch_afm.transforms import Orient
from torch_afm.units import COULOMB
from torch_afm.utils import InputError

SCAN = Scan(window=((-2.0, 2.0), (-2.0, 2.0)), pixels=(5, 5), n_slices=2, n_oscillation=3)
RENDERER = ProbeParticleModel(SCAN, dtype=torch.float64, backend="torch")


def layer() -> AFMData:
    """Two ions in an oblique cell."""
    return AFMData(
        z=torch.tensor([11, 17]),
        pos=torch.tensor([[0.3, 0.2, 0.0], [1.9, 2.6, -0.5]]).double(),
        charge=torch.tensor([0.5, -0.5]).double(),
        cell=torch.tensor([[[4.2, 0, 0], [0.9, 5.1, 0], [0, 0, 20.0]]]).double(),
        pbc=torch.tensor([[True, True, False]]),
    )


def test_frame_and_distances():
    pos = torch.randn(9, 3, generator=torch.manual_seed(0)) * 4 + 3
    moved = Orient(Rotation.random(random_state=2))(AFMData(pos=pos)).pos
    assert moved[:, 2].max() == 0
    assert torch.allclose(moved.amax(0)[:2], -moved.amin(0)[:2], atol=1e-5)
    assert torch.allclose(torch.cdist(moved, moved), torch.cdist(pos, pos), atol=1e-4)


def test_composes_with_transforms_of_pyg():
    data = AFMData(pos=torch.randn(9, 3, generator=torch.manual_seed(0)), edge_index=torch.tensor([[0], [1]]))
    rotation = Rotation.random(random_state=2)
    both = Compose([Orient(rotation), Distance(norm=False)])(data)
    assert torch.equal(both.pos, Orient(rotation)(data).pos)
    assert both.edge_attr.item() == pytest.approx(float((data.pos[0] - data.pos[1]).norm()), abs=1e-5)


def test_quarter_turn_about_z():
    pos = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 0, -1]])
    moved = Orient(Rotation.from_euler("z", 90, degrees=True))(AFMData(pos=pos)).pos
    assert torch.allclose(moved, torch.tensor([[0.0, 1, 0], [0, -1, 0], [0, 0, -1]]), atol=1e-6)


@pytest.mark.parametrize("center", [(0.0, 0.0), (8.0, -3.5)])
def test_middle_lies_at_the_center(center):
    pos = torch.randn(9, 3, generator=torch.manual_seed(1)) * 4 + 3
    moved = Orient(center=center)(AFMData(pos=pos)).pos
    middle = (moved.amin(0) + moved.amax(0)) / 2
    torch.testing.assert_close(middle[:2], torch.tensor(center), atol=1e-5, rtol=0)
    assert moved[:, 2].max() == 0


def test_lattice_and_height_turn_with_the_atoms():
    """The image of a turned periodic sample is the turned image."""
    data = layer()
    stack = RENDERER(data, z_top=8.5)
    turned = Orient(Rotation.from_euler("z", 90, degrees=True))(data.clone())
    # Bring it back to the same place, up to the shift of Orient.
    shift = (data.pos[:, :2].amin(0) + data.pos[:, :2].amax(0)) / 2
    turned.pos[:, :2] += torch.stack([-shift[1], shift[0]])
    assert torch.allclose(turned.cell[0, 0], torch.tensor([0.0, 4.2, 0.0]).double(), atol=1e-12)
    assert stack.std() > 0.05
    torch.testing.assert_close(RENDERER(turned, z_top=8.5), stack.rot90(1, (-1, -2)), atol=1e-5, rtol=0)
    data.z_top = torch.tensor([9.0])
    assert Orient()(data).z_top.item() == pytest.approx(9.0 - data.pos[:, 2].max().item())


def test_potential_turns_with_the_atoms():
    """Any rotation: the image of turned atoms with their potential is that of the turned atoms' charges."""
    data = water()
    data.charge, data.pos = data.charge.double(), data.pos.double()
    box, n = np.array([16.0, 16.0, 16.0]), 80
    axis = (np.arange(n) / n - 0.5) * 16.0
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)
    distance = np.linalg.norm(points[..., None, :] - data.pos.numpy(), axis=-1).clip(0.3)
    values = (COULOMB * data.charge.numpy() / distance).sum(-1)
    data.potential = PotentialGrid(values, -box / 2, np.diag(box))
    for rotation in (None, Rotation.from_euler("xyz", [20, -35, 110], degrees=True)):
        turned = Orient(rotation, center=(0.4, -0.3))(data)
        charges = AFMData(z=turned.z, pos=turned.pos, charge=turned.charge)
        assert turned.potential is not data.potential
        exact = RENDERER(charges, z_top=8.6)
        found = RENDERER(turned, z_top=8.6)
        assert (found - exact).abs().max() < 2e-3 * exact.std()


def test_bad_uses_name_the_argument():
    tilt = Rotation.from_euler("x", 10, degrees=True)
    with_height = AFMData(pos=torch.eye(3), z_top=torch.tensor([9.0]))
    no_grid = AFMData(pos=torch.eye(3), potential=np.zeros((2, 2, 2)))
    bad = [
        ("data", lambda: Orient()(AFMData(pos=torch.zeros(0, 3)))),
        ("center", lambda: Orient(center=(1.0,))),
        ("center", lambda: Orient(center=(1.0, float("nan")))),
        ("rotation", lambda: Orient(tilt)(layer())),
        ("rotation", lambda: Orient(tilt)(with_height)),
        ("potential", lambda: Orient()(no_grid)),
    ]
    for name, call in bad:
        with pytest.raises(InputError, match=f"^{name}: "):
            call()
    # About the only axis that repeats, a tilt leaves the lattice in the plane.
    ribbon = layer()
    ribbon.pbc = torch.tensor([[True, False, False]])
    Orient(tilt)(ribbon)
