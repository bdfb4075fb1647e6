"""Open bonds of molecules with an atom taken away."""

import pytest
import torch
from ase.build import molecule
from scipy.spatial.transform import Rotation

from torch_afm.data import AFMData, from_ase
from torch_afm.generation.chemistry import open_bonds
from torch_afm.testing import benzene
from torch_afm.utils import InputError


def nearest(data: AFMData, missing: int) -> tuple[float, set[int]]:
    """Distance of the closest open place to an atom that is left out, and the kinds offered there."""
    keep = torch.arange(len(data.z)) != missing
    z, pos = open_bonds(data.z[keep], data.pos[keep])
    apart = (pos - data.pos[missing]).norm(dim=1)
    return float(apart.min()), set(z[apart < 0.6].tolist())


@pytest.mark.parametrize(("name", "close"), [("CH4", 0.1), ("C2H4", 0.1), ("C2H6", 0.1), ("NH3", 0.5)])
def test_a_hydrogen_taken_away_has_an_open_place(name, close):
    """Ammonia's lone pair is as good a place as that of its third hydrogen."""
    data = from_ase(molecule(name))
    for missing in (data.z == 1).nonzero().flatten().tolist():
        distance, kinds = nearest(data, missing)
        assert distance < close
        assert 1 in kinds


def test_a_carbon_of_a_ring_taken_away():
    distance, kinds = nearest(benzene(), 0)
    assert distance < 0.15
    assert kinds == {1, 6} or kinds == {6}


def test_complete_molecules_have_no_open_place():
    for name in ("CH4", "C2H4", "C2H6", "C6H6", "C2H2"):
        data = from_ase(molecule(name))
        assert len(open_bonds(data.z, data.pos)[0]) == 0, name


def test_turning_about_z_turns_the_places():
    data = from_ase(molecule("C2H4"))
    pos = data.pos[:4] @ torch.from_numpy(Rotation.random(random_state=0).as_matrix()).float()
    turn = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    z, there = open_bonds(data.z[:4], pos)
    turned_z, turned = open_bonds(data.z[:4], pos @ turn.T)
    assert z.equal(turned_z)
    torch.testing.assert_close(turned, there @ turn.T, atol=1e-5, rtol=0)


def test_a_lone_atom_hangs_on_what_is_below():
    z, pos = open_bonds(torch.tensor([6]), torch.zeros(1, 3))
    assert z.tolist() == [1, 6]
    assert (pos[:, :2] == 0).all() and (pos[:, 2] < -1).all()


def test_no_atoms_and_bad_input():
    z, pos = open_bonds(torch.empty(0, dtype=torch.long), torch.empty(0, 3))
    assert z.shape == (0,) and pos.shape == (0, 3)
    with pytest.raises(InputError, match="pos"):
        open_bonds(torch.tensor([6]), torch.full((1, 3), float("nan")))
