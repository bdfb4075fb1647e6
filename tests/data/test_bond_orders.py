import pytest
from rdkit import Chem

from torch_afm.data import from_smiles, remove_atoms, to_rdmol


@pytest.mark.parametrize(
    "smiles",
    [
        ".".join(["O=[N+]([O-])c1ccccc1"] * 8),
        ".".join(["CC(=O)[O-]"] * 8),
        "C[NH3+].CC(=O)[O-].O.[Cl-].[Na+]",
    ],
)
def test_bond_orders_of_several_molecules_are_those_of_each(smiles):
    mol = to_rdmol(from_smiles(smiles))
    assert not mol.NeedsUpdatePropertyCache()
    expected = Chem.MolFromSmiles(smiles)
    assert Chem.MolToSmiles(Chem.RemoveHs(mol)) == Chem.MolToSmiles(expected)


def test_a_molecule_without_bond_orders_leaves_the_others_theirs():
    """A ring without hydrogens between two nitrobenzenes, their atoms mixed."""
    data = from_smiles("O=[N+]([O-])c1ccccc1.c1ccccc1.O=[N+]([O-])c1ccccc1")
    data = remove_atoms(data, [*range(len(data.z) - 11, len(data.z) - 5)])
    assert sorted(data.z.tolist()) == sorted([8, 8, 7, *[6] * 6, *[1] * 5] * 2 + [6] * 6)
    mol = to_rdmol(data)
    assert [a.GetAtomicNum() for a in mol.GetAtoms()] == data.z.tolist()
    assert mol.GetConformer().GetPositions() == pytest.approx(data.pos.numpy(), abs=1e-5)
    assert {frozenset(b) for b in data.edge_index.t().tolist()} == {
        frozenset((b.GetBeginAtomIdx(), b.GetEndAtomIdx())) for b in mol.GetBonds()
    }
    assert sum(b.GetBondType() == Chem.BondType.DOUBLE for b in mol.GetBonds()) == 8
    assert mol.NeedsUpdatePropertyCache()
