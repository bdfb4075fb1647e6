import pytest
import torch
from rdkit import Chem

from torch_afm.data import AFMData, covalent_bonds, from_smiles, remove_atoms, to_rdmol, valence_errors
from torch_afm.datasets.smi import embedded_smiles
from torch_afm.generation.chemistry import sanitize, trim_bonds
from torch_afm.io import write_sdf
from torch_afm.testing import benzene, random_graph, water
from torch_afm.utils import InputError


@pytest.mark.parametrize(
    "smiles", ["CCO", "c1ccccc1C(=O)O", "C[N+](=O)[O-]", "c1cc[nH]c1", "CC#N", "C[N+](C)(C)C"]
)
def test_whole_molecules_are_themselves(smiles):
    mol = to_rdmol(sanitize(from_smiles(smiles)))
    assert Chem.MolToSmiles(Chem.RemoveHs(mol)) == Chem.CanonSmiles(smiles)


def test_bonds_that_break_valences_go_and_their_probabilities_with_them():
    z = torch.tensor([1, 6, 6])
    pos = torch.tensor([[0.0, 0, 0], [1.0, 0, 0], [-1.1, 0, 0]])
    graph = AFMData(z=z, pos=pos, edge_index=covalent_bonds(z, pos))
    graph.bond_probability = torch.tensor([0.4, 0.9, 0.4, 0.9])
    assert graph.edge_index.tolist() == [[0, 0, 1, 2], [1, 2, 0, 0]]
    sound = sanitize(graph)
    assert sound.edge_index.tolist() == [[0, 2], [2, 0]]
    torch.testing.assert_close(sound.bond_probability, torch.tensor([0.9, 0.9]))
    assert sound.bond_order.tolist() == [1, 1] and graph.edge_index.size(1) == 4


def test_nothing():
    assert to_rdmol(sanitize(AFMData.empty())).GetNumAtoms() == 0


NAMED = ["O=Cc1ccc(C#N)cc1", "O=C1C=CC(=O)c2ccccc12", "Oc1ccc(Cl)cc1", "CC(=O)Oc1ccccc1C(=O)O"]


def test_an_sdf_has_the_bond_orders_of_the_graph(tmp_path):
    """Aromatic bonds are single or double there, and one of them at each carbon is double in a whole ring."""
    listed = embedded_smiles()
    for number, smiles in enumerate([*NAMED, *listed[:: len(listed) // 50][:50]]):
        whole = from_smiles(smiles)
        # A network knows of no charges, and sees a part now and then.
        whole.charge = torch.zeros_like(whole.charge)
        graph = sanitize(whole if number % 2 == 0 else remove_atoms(whole, [0, len(whole.z) // 2]))
        write_sdf(tmp_path / "a.sdf", graph)
        (mol,) = Chem.SDMolSupplier(str(tmp_path / "a.sdf"), sanitize=False, removeHs=False)
        for (i, j), order in zip(graph.edge_index.T.tolist(), graph.bond_order.tolist(), strict=True):
            written = mol.GetBondBetweenAtoms(i, j).GetBondTypeAsDouble()
            assert written in (1, 2) if order == 1.5 else written == order, smiles
        assert [a.GetFormalCharge() for a in mol.GetAtoms()] == graph.formal_charge.tolist()
        if number % 2 == 0:
            Chem.SanitizeMol(mol)
            found = [
                mol.GetBondBetweenAtoms(i, j).GetBondTypeAsDouble() for i, j in graph.edge_index.T.tolist()
            ]
            assert found == graph.bond_order.tolist(), smiles


def test_the_longest_bond_goes():
    molecule = water()
    z = torch.cat([molecule.z, torch.tensor([1])])
    pos = torch.cat([molecule.pos, torch.tensor([[0.0, 1.2, 0.0]])])
    edges = covalent_bonds(z, pos)
    keep = trim_bonds(z, pos, edges)
    assert set(map(tuple, edges[:, ~keep].T.tolist())) == {(0, 3), (3, 0)}
    # Unless another one is less probable.
    probability = torch.where((edges == 1).any(dim=0), 0.1, 0.9)
    kept = trim_bonds(z, pos, edges, probability)
    assert set(map(tuple, edges[:, ~kept].T.tolist())) == {(0, 1), (1, 0)}


def test_sound_graphs_keep_all_bonds_and_crowded_ones_become_sound():
    for graph in (benzene(), from_smiles("CS(=O)(=O)[N+](C)(C)C"), from_smiles("O=P(O)(O)O")):
        assert trim_bonds(graph.z, graph.pos, graph.edge_index).all()
    for seed in range(10):
        graph = random_graph(12, seed)
        pos = graph.pos / 3
        edges = covalent_bonds(graph.z, pos)
        assert valence_errors(graph.z, edges).any()
        left = edges[:, trim_bonds(graph.z, pos, edges)]
        assert not valence_errors(graph.z, left).any()
        assert {*map(tuple, left.T.tolist())} == {*map(tuple, left.flip(0).T.tolist())}


def test_bad_input():
    with pytest.raises(InputError, match="both directions"):
        trim_bonds(torch.tensor([6, 6]), torch.zeros(2, 3), torch.tensor([[0], [1]]))
