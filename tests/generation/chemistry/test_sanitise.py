import pytest
import torch
from rdkit import Chem

from torch_afm.data import AFMData, covalent_bonds, from_smiles, remove_atoms
from torch_afm.generation.chemistry import sanitise, to_part
from torch_afm.utils import InputError


@pytest.mark.parametrize(
    "smiles", ["CCO", "c1ccccc1C(=O)O", "C[N+](=O)[O-]", "c1cc[nH]c1", "CC#N", "C[N+](C)(C)C"]
)
def test_whole_molecules_are_themselves(smiles):
    mol = to_part(sanitise(from_smiles(smiles)))
    assert Chem.MolToSmiles(Chem.RemoveHs(mol)) == Chem.CanonSmiles(smiles)


def test_cut_bonds_become_hydrogens_or_radicals():
    ethanol = from_smiles("CCO")
    part = sanitise(remove_atoms(ethanol, ethanol.z == 1))
    assert Chem.MolToSmiles(to_part(part)) == "CCO"
    radicals = to_part(part, "radicals")
    assert [a.GetNumRadicalElectrons() for a in radicals.GetAtoms()] == [3, 2, 1]
    ring = from_smiles("c1ccccc1")
    assert Chem.MolToSmiles(to_part(sanitise(remove_atoms(ring, ring.z == 1)))) == "c1ccccc1"
    # Half of the ring is no ring: whatever its lengths say, it is sound.
    half = sanitise(remove_atoms(ring, [3, 4, 5, *range(6, 12)]))
    assert to_part(half).GetNumAtoms() == 3
    with pytest.raises(InputError, match="open_valences"):
        to_part(half, "nothing")


def test_bonds_that_break_valences_go_and_their_probabilities_with_them():
    z = torch.tensor([1, 6, 6])
    pos = torch.tensor([[0.0, 0, 0], [1.0, 0, 0], [-1.1, 0, 0]])
    graph = AFMData(z=z, pos=pos, edge_index=covalent_bonds(z, pos))
    graph.bond_probability = torch.tensor([0.4, 0.9, 0.4, 0.9])
    assert graph.edge_index.tolist() == [[0, 0, 1, 2], [1, 2, 0, 0]]
    sound = sanitise(graph)
    assert sound.edge_index.tolist() == [[0, 2], [2, 0]]
    torch.testing.assert_close(sound.bond_probability, torch.tensor([0.9, 0.9]))
    assert sound.bond_order.tolist() == [1, 1] and graph.edge_index.size(1) == 4
    with pytest.raises(InputError, match="sanitise it first"):
        to_part(graph)


def test_nothing():
    assert to_part(sanitise(AFMData.empty())).GetNumAtoms() == 0
