"""Short fits from many starts, of simulated scans whose pose is known."""

import numpy as np
import pytest
import torch

from torch_afm import from_smiles
from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.identification import ShortFits, Start, coarse_heights, orientations
from torch_afm.identification.pose import PLACE, TURN
from torch_afm.identification.short import FITTED, Coarse, _Poses
from torch_afm.ppm import ProbeParticleModel, anchor_height

SCAN = Scan(window=((-7, 7), (-6, 6)), pixels=(57, 49), n_slices=8)
ANGLE, PLACED = 40.0, (0.6, -0.4)


@pytest.fixture(scope="module")
def renderer() -> ProbeParticleModel:
    return ProbeParticleModel(SCAN, on_unconverged="ignore")


@pytest.fixture(scope="module")
def molecule() -> AFMData:
    return orientations(from_smiles("CC1CCC(=O)C1"))[4]


@pytest.fixture(scope="module")
def coarse(renderer, molecule) -> Coarse:
    """The molecule, turned, shifted and without charges."""
    a = np.radians(ANGLE)
    turn = torch.tensor([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]).float()
    pos = molecule.pos @ turn.T + torch.tensor([*PLACED, 0.0])
    data = AFMData(z=molecule.z, pos=pos, charge=torch.zeros(len(pos)))
    usual = float(anchor_height(data, SCAN, renderer.tip))
    stack = renderer(data, z_top=usual)[0, 0].double()
    return coarse_heights(stack, SCAN, usual, torch.full((8,), 0.01, dtype=torch.float64))


@pytest.fixture(scope="module")
def fits(coarse, renderer) -> ShortFits:
    return ShortFits(coarse, renderer)


def test_heights_go_up_from_the_nearest_slice() -> None:
    fine = Scan(n_slices=8, dz=0.1, n_oscillation=10)
    heights = fine.slice_heights(9.0)
    stack = torch.from_numpy(heights)[:, None, None].expand(8, 2, 2)
    found = coarse_heights(stack, fine, 9.0, torch.from_numpy(heights))
    assert found.scan.amplitude == pytest.approx(fine.amplitude)
    assert found.scan.dz == pytest.approx(0.25) and found.scan.n_slices == 3
    expected = found.scan.slice_heights(found.z_top)
    np.testing.assert_allclose(found.stack[:, 0, 0], expected, atol=1e-9)
    np.testing.assert_allclose(found.floor, expected, atol=1e-9)
    assert expected[-1] == pytest.approx(heights[-1])


def test_a_single_slice_stays() -> None:
    found = coarse_heights(torch.ones(1, 3, 3).double(), Scan(n_slices=1), 9.0, torch.ones(1).double())
    assert found.stack.shape == (1, 3, 3) and found.scan.n_slices == 1


def test_the_pose_is_found_from_starts_nearby(fits, molecule) -> None:
    starts = [
        Start(0.0, ANGLE + 8, (PLACED[0] + 0.4, PLACED[1] - 0.3), 0.2),
        Start(0.0, ANGLE + 90, PLACED, 0.0),
        Start(0.0, ANGLE - 170, (2.0, 2.0), 0.0),
    ]
    found = fits.fit([molecule] * 3, starts, upright=True, keep=2)
    assert len(found) == 2
    evidence, which, x = found[0]
    assert which == 0 and evidence > found[1][0]
    width = _Poses([molecule], starts[:1], upright=True).widths
    moved = (x * width)[[TURN, PLACE.start, PLACE.start + 1]]
    np.testing.assert_allclose(moved, [-np.radians(8), -0.4, 0.3], atol=0.1)
    assert float(x[FITTED.tolist().index(13)]) < -0.5  # no charges, where the usual ones were expected


def test_gradients_are_those_of_the_values(fits, molecule) -> None:
    starts = [Start(0.0, ANGLE + 6, (0.9, -0.5), 0.1), Start(0.0, ANGLE - 5, (0.4, -0.2), 0.0)]
    poses = _Poses([molecule] * 2, starts, upright=True)
    x = 0.2 * torch.ones(2, len(FITTED), dtype=torch.float64)
    value, gradient, _ = fits._expand(poses, x)
    torch.testing.assert_close(value, fits._values(poses, x))
    for k in range(len(FITTED)):
        step = torch.zeros(len(FITTED), dtype=torch.float64)
        step[k] = 0.05
        slope = (fits._values(poses, x + step) - fits._values(poses, x - step)) / 0.1
        # A stretched picture has wider atoms, too.
        atol = 15.0 if FITTED[k] in (6, 7, 8) else 3.0
        torch.testing.assert_close(gradient[:, k], slope, rtol=0.3, atol=atol, msg=lambda m, k=k: f"{k}: {m}")


def test_molecules_are_shown_where_the_scanner_shows_them(molecule) -> None:
    poses = _Poses([molecule], [Start(0.0, 0.0, (1.0, 2.0), 0.3)], upright=True)
    x = torch.zeros(1, 2, len(FITTED), dtype=torch.float64)
    x[0, 1, 6] = np.log(1.1) / poses.widths[6]
    x[0, 1, 5] = 0.4 / poses.widths[5]
    atoms, raised = poses.atoms(x, (0.5, 0.0))
    as_is, stretched = atoms.pos.reshape(2, -1, 3)
    torch.testing.assert_close(as_is[:, :2], molecule.pos[poses.felt[0], :2] + torch.tensor([1.0, 2.0]))
    torch.testing.assert_close(stretched[:, 0], (as_is[:, 0] - 0.5) / 1.1 + 0.5)
    torch.testing.assert_close(stretched[:, 1:], as_is[:, 1:])
    np.testing.assert_allclose(raised[0], [-0.3, 0.1])
