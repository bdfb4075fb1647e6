import pytest
import torch
from rdkit import Chem

from torch_afm.data import from_smiles, valence_errors
from torch_afm.elements import MAX_VALENCE, atomic_number, max_valence
from torch_afm.utils import InputError


@pytest.mark.parametrize(
    "smiles", ["C[N+](C)(C)C", "OS(=O)(=O)O", "FP(F)(F)(F)F", "C[Si](C)(C)C", "BrCCl", "c1ccccc1"]
)
def test_molecules_have_no_errors(smiles):
    molecule = from_smiles(smiles)
    assert not valence_errors(molecule.z, molecule.edge_index).any()


def test_one_bond_more_than_the_element_takes():
    for element, most in MAX_VALENCE.items():
        leaves = torch.arange(1, most + 2)
        star = torch.stack([torch.zeros_like(leaves), leaves])
        z = torch.full((most + 2,), 6)
        z[0] = atomic_number(element)
        both = torch.cat([star, star.flip(0)], dim=1)
        assert valence_errors(z, both).tolist() == [True] + [False] * (most + 1)
        fewer = both[:, (both != most + 1).all(dim=0)]
        assert not valence_errors(z, fewer).any()


def test_orders_count():
    z, edges = torch.tensor([6, 8, 8]), torch.tensor([[0, 1, 0, 2], [1, 0, 2, 0]])
    assert not valence_errors(z, edges, torch.tensor([2.0, 2, 2, 2])).any()
    assert valence_errors(z, edges, torch.tensor([3.0, 3, 2, 2])).tolist() == [True, True, False]
    ring = torch.tensor([[0, 1, 0, 2, 0, 3], [1, 0, 2, 0, 3, 0]])
    aromatic = torch.full((6,), 1.5)
    assert not valence_errors(torch.tensor([6, 6, 6, 6]), ring, aromatic).any()


def test_table_takes_what_rdkit_takes_of_neutral_atoms():
    table = Chem.GetPeriodicTable()
    for element, most in MAX_VALENCE.items():
        known = max(table.GetValenceList(atomic_number(element)))
        if element in ("B", "N"):  # borates and ammonium have one more
            known += 1
        if element not in ("Si", "P", "I"):  # hexafluorosilicates, phosphates and periodates
            assert most == known
    assert max_valence(79) is None


def test_metals_take_any_number_and_atoms_are_checked():
    star = torch.stack([torch.zeros(8, dtype=torch.long), torch.arange(1, 9)])
    z = torch.tensor([79] + [1] * 8)
    assert not valence_errors(z, torch.cat([star, star.flip(0)], dim=1)).any()
    with pytest.raises(InputError, match="edge_index"):
        valence_errors(torch.tensor([1]), torch.tensor([[0], [1]]))
    with pytest.raises(InputError, match="order"):
        valence_errors(z, star, torch.ones(2))
