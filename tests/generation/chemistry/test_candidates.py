"""The filter, against molecules whose atoms are taken away and offered again."""

import pytest
import torch

from torch_afm.data import from_smiles
from torch_afm.generation.chemistry import allowed
from torch_afm.utils import InputError


@pytest.mark.parametrize("smiles", ["c1ccccc1", "CC(=O)Nc1ccc(O)cc1", "CS(=O)(=O)C", "ClCC#N"])
def test_every_atom_may_return_to_its_place(smiles):
    data = from_smiles(smiles)
    for i in range(len(data.z)):
        rest = torch.arange(len(data.z)) != i
        assert allowed(data.z[i : i + 1], data.pos[i : i + 1], data.z[rest], data.pos[rest]).all()


def test_clashes_are_refused_by_distance():
    """C-C radii 1.52 Å, less 0.4 Å."""
    z, pos = torch.tensor([6]), torch.zeros(1, 3)
    heights = torch.tensor([[0.0, 0.0, 1.11], [0.0, 0.0, 1.13], [0.0, 0.0, 5.0]])
    assert allowed(torch.tensor([6, 6, 6]), heights, z, pos).tolist() == [False, True, True]
    assert allowed(torch.tensor([6, 6, 6]), heights, z, pos, tolerance=0.3).tolist() == [False, False, True]


def test_full_atoms_take_no_more():
    methane = from_smiles("C")
    far = methane.pos[0] + 1.5 * torch.nn.functional.normalize(
        -(methane.pos[1] + methane.pos[2] - 2 * methane.pos[0]), dim=0
    )
    loose = {"tolerance": 0.5}
    hydrogen = torch.tensor([1])
    without = allowed(hydrogen, far[None], methane.z, methane.pos, coordination=False, **loose)
    assert without.tolist() == [True]
    assert allowed(hydrogen, far[None], methane.z, methane.pos, **loose).tolist() == [False]


def test_hydrogen_bridges_no_two_atoms():
    z, pos = torch.tensor([6, 6]), torch.tensor([[-1.2, 0.0, 0.0], [1.2, 0.0, 0.0]])
    middle = torch.zeros(1, 3)
    assert not allowed(torch.tensor([1]), middle, z, pos).item()
    assert allowed(torch.tensor([8]), middle, z, pos).item()


def test_nothing_there_and_nothing_offered():
    none, nowhere = torch.empty(0, dtype=torch.long), torch.empty(0, 3)
    assert allowed(torch.tensor([6]), torch.zeros(1, 3), none, nowhere).tolist() == [True]
    assert allowed(none, nowhere, torch.tensor([6]), torch.zeros(1, 3)).shape == (0,)


def test_bad_input():
    z, pos = torch.tensor([6]), torch.zeros(1, 3)
    with pytest.raises(InputError, match="candidate_pos"):
        allowed(z, torch.full((1, 3), torch.nan), z, pos)
    with pytest.raises(InputError, match="pos"):
        allowed(z, pos, z, torch.zeros(2, 3))
    with pytest.raises(InputError, match="tolerance"):
        allowed(z, pos, z, pos, tolerance=-1)
