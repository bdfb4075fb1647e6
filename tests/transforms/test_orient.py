import pytest
import torch
from scipy.spatial.transform import Rotation

from torch_afm.data import AFMData
from torch_afm.transforms import Orient
from torch_afm.utils import InputError


def test_frame_and_distances():
    pos = torch.randn(9, 3, generator=torch.manual_seed(0)) * 4 + 3
    moved = Orient(Rotation.random(random_state=2))(AFMData(pos=pos)).pos
    assert moved[:, 2].max() == 0
    assert torch.allclose(moved.amax(0)[:2], -moved.amin(0)[:2], atol=1e-5)
    assert torch.allclose(torch.cdist(moved, moved), torch.cdist(pos, pos), atol=1e-4)


def test_quarter_turn_about_z():
    pos = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 0, -1]])
    moved = Orient(Rotation.from_euler("z", 90, degrees=True))(AFMData(pos=pos)).pos
    assert torch.allclose(moved, torch.tensor([[0.0, 1, 0], [0, -1, 0], [0, 0, -1]]), atol=1e-6)


def test_empty_molecule():
    with pytest.raises(InputError, match="at least one atom"):
        Orient()(AFMData(pos=torch.zeros(0, 3)))
