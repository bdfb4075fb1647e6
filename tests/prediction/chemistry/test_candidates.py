"""The filter, against molecules whose atoms are taken away and offered again."""

import pytest
import torch

from torch_afm.data import AFMData, from_smiles
from torch_afm.prediction.chemistry import can_join
from torch_afm.testing import benzene
from torch_afm.utils import InputError


def joins(candidate_z, candidate_pos, z, pos):
    return can_join(AFMData(z=candidate_z, pos=candidate_pos), AFMData(z=z, pos=pos))


@pytest.mark.parametrize("smiles", ["c1ccccc1", "CC(=O)Nc1ccc(O)cc1", "CS(=O)(=O)C", "ClCC#N"])
def test_every_atom_may_return_to_its_place(smiles):
    data = from_smiles(smiles)
    for i in range(len(data.z)):
        rest = torch.arange(len(data.z)) != i
        assert joins(data.z[i : i + 1], data.pos[i : i + 1], data.z[rest], data.pos[rest]).all()


def test_clashes_are_refused_by_distance():
    """C-C radii 1.52 Å, less 0.4 Å."""
    z, pos = torch.tensor([6]), torch.zeros(1, 3)
    heights = torch.tensor([[0.0, 0.0, 1.11], [0.0, 0.0, 1.13], [0.0, 0.0, 5.0]])
    assert joins(torch.tensor([6, 6, 6]), heights, z, pos).tolist() == [False, True, True]


def test_atoms_join_where_there_is_room():
    graph = benzene()
    new = AFMData(z=torch.tensor([6, 6]), pos=torch.stack([graph.pos[0] + 0.3, torch.tensor([9.0, 9, 0])]))
    assert can_join(new, graph).tolist() == [False, True]
    assert can_join(new, AFMData.empty()).tolist() == [True, True]


def test_full_atoms_take_no_more():
    methane = from_smiles("C")
    far = methane.pos[0] + 1.4 * torch.nn.functional.normalize(
        -(methane.pos[1] + methane.pos[2] - 2 * methane.pos[0]), dim=0
    )
    hydrogen, place = torch.tensor([1]), far[None]
    assert joins(hydrogen, place, methane.z, methane.pos).tolist() == [False]
    # Beside a carbon with one hydrogen less there is room.
    assert joins(hydrogen, place, methane.z[:4], methane.pos[:4]).tolist() == [True]


def test_hydrogen_bridges_no_two_atoms():
    z, pos = torch.tensor([6, 6]), torch.tensor([[-1.2, 0.0, 0.0], [1.2, 0.0, 0.0]])
    middle = torch.zeros(1, 3)
    assert not joins(torch.tensor([1]), middle, z, pos).item()
    assert joins(torch.tensor([8]), middle, z, pos).item()


def test_nothing_there_and_nothing_offered():
    none, nowhere = torch.empty(0, dtype=torch.long), torch.empty(0, 3)
    assert joins(torch.tensor([6]), torch.zeros(1, 3), none, nowhere).tolist() == [True]
    assert joins(none, nowhere, torch.tensor([6]), torch.zeros(1, 3)).shape == (0,)


def test_bad_input():
    z, pos = torch.tensor([6]), torch.zeros(1, 3)
    with pytest.raises(InputError, match="candidates: pos"):
        joins(z, torch.full((1, 3), torch.nan), z, pos)
    with pytest.raises(InputError, match="structure: pos"):
        joins(z, pos, z, torch.zeros(2, 3))
