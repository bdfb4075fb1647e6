import copy

import pytest
import torch
from rdkit import Chem

from torch_afm.data import AFMData, bond_orders, from_smiles, remove_atoms, to_rdmol, valence_errors
from torch_afm.data.bond_orders import length_order
from torch_afm.utils import InputError

KNOWN = [
    ((6, 6), 1.535, 1),  # ethane
    ((6, 6), 1.397, 1.5),  # benzene
    ((6, 6), 1.339, 2),  # ethene
    ((6, 6), 1.203, 3),  # ethyne
    ((6, 8), 1.425, 1),  # methanol
    ((8, 6), 1.208, 2),  # formaldehyde
    ((6, 7), 1.157, 3),  # acetonitrile
    ((6, 1), 0.9, 1),
    ((6, 17), 1.6, 1),
]


def test_lengths_of_known_bonds():
    for ends, length, order in KNOWN:
        assert length_order(ends, length) == order


def _truth(smiles):
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    return {(b.GetBeginAtomIdx(), b.GetEndAtomIdx()): b.GetBondTypeAsDouble() for b in mol.GetBonds()}


SMILES = ["CCO", "C=CC#N", "c1ccccc1C(=O)O", "c1cc[nH]c1", "C[N+](=O)[O-]", "CC(=O)NC", "CS(C)(=O)=O"]


def test_whole_molecules_have_the_orders_of_their_smiles():
    for smiles in SMILES:
        graph, truth = from_smiles(smiles), _truth(smiles)
        for (i, j), order in zip(graph.edge_index.T.tolist(), bond_orders(graph)[0].tolist(), strict=True):
            wanted = truth.get((i, j)) or truth[(j, i)]
            if smiles == "CS(C)(=O)=O" and {int(graph.z[i]), int(graph.z[j])} == {16, 8}:
                assert order in (1, 2)  # charges are apart or not
            else:
                assert order == wanted, smiles


def test_parts_of_molecules_go_by_lengths():
    ring = from_smiles("c1ccccc1")
    bare = remove_atoms(ring, ring.z == 1)
    assert bond_orders(bare)[0].tolist() == [1.5] * 12
    # Two hydrogens cut off ethane: no ethene.
    ethane = from_smiles("CC")
    hydrogens = [next(i for i in range(2, 8) if [c, i] in ethane.edge_index.T.tolist()) for c in (0, 1)]
    assert bond_orders(remove_atoms(ethane, hydrogens))[0].tolist() == [1.0] * 10
    ethene = from_smiles("C=C")
    assert 2.0 in bond_orders(ethene)[0].tolist()


def test_lengths_that_nobody_is_sure_of_tell_nothing():
    ring = from_smiles("c1ccccc1")
    bare = remove_atoms(ring, ring.z == 1)
    assert bond_orders(bare, torch.full((6, 3), 0.2))[0].tolist() == [1.0] * 12
    assert bond_orders(bare, torch.full((6, 3), 0.01))[0].tolist() == [1.5] * 12
    # Across the bonds positions do not matter: the ring is flat in some plane, whose normal they may move on.
    flat = AFMData(z=bare.z, pos=torch.zeros(6, 3), edge_index=bare.edge_index)
    angle = torch.arange(6) * torch.pi / 3
    flat.pos[:, 0], flat.pos[:, 1] = 1.397 * angle.cos(), 1.397 * angle.sin()
    sigma = torch.tensor([[0.01, 0.01, 1.0]]).repeat(6, 1)
    assert bond_orders(flat, sigma)[0].tolist() == [1.5] * 12


def test_pieces_are_looked_at_one_by_one():
    one, other = from_smiles("C=O"), from_smiles("C=C")
    both = AFMData(
        z=torch.cat([one.z, other.z]),
        pos=torch.cat([one.pos, other.pos + 20]),
        edge_index=torch.cat([one.edge_index, other.edge_index + 4], dim=1),
    )
    assert bond_orders(both)[0].tolist() == [*bond_orders(one)[0].tolist(), *bond_orders(other)[0].tolist()]


def test_orders_never_break_a_valence():
    # Four carbons around one, all as near as in triple bonds.
    z = torch.full((5,), 6)
    corners = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.7
    star = torch.tensor([[0, 0, 0, 0], [1, 2, 3, 4]])
    pos, edges = torch.cat([torch.zeros(1, 3), corners]), torch.cat([star, star.flip(0)], dim=1)
    order = bond_orders(AFMData(z=z, pos=pos, edge_index=edges))[0]
    assert not valence_errors(z, edges, order).any()
    assert torch.equal(order[:4], order[4:])
    assert bond_orders(AFMData.empty())[0].shape == (0,)


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


def test_a_part_of_a_molecule_leaves_the_others_their_bond_orders():
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
    assert sum(b.GetBondType() == Chem.BondType.DOUBLE for b in mol.GetBonds()) == 2 * 4 + 3
    assert sorted(a.GetFormalCharge() for a in mol.GetAtoms() if a.GetFormalCharge()) == [-1, -1, 1, 1]
    assert mol.NeedsUpdatePropertyCache()


def test_formal_charges_are_those_of_the_smiles():
    for smiles in (
        "C[N+](=O)[O-]",
        "[O-][n+]1ccccc1",
        "C[S+](C)[O-]",
        "CN=[N+]=[N-]",
        "C[N+]#[C-]",
        "CC(=O)[O-]",
    ):
        graph = from_smiles(smiles)
        mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
        assert bond_orders(graph)[1].tolist() == [a.GetFormalCharge() for a in mol.GetAtoms()], smiles
    # An ammonium has its charge in a part as well.
    ammonium = from_smiles("C[N+](C)(C)C")
    part = remove_atoms(ammonium, ammonium.z == 1)
    assert bond_orders(part)[1].tolist() == (part.z == 7).long().tolist()


def test_an_isoxazole_is_aromatic():
    """Its bond of N and O is longer than a single one."""
    order = bond_orders(from_smiles("Cc1ccno1"))[0]
    assert (order == 1.5).sum() == 10


def test_given_orders_are_kept():
    ring = from_smiles("c1ccccc1")
    ring.bond_order = torch.ones(ring.num_edges)
    assert {b.GetBondType() for b in to_rdmol(ring).GetBonds()} == {Chem.BondType.SINGLE}
    oxide = from_smiles("[O-][n+]1ccccc1")
    oxide.bond_order, oxide.formal_charge = bond_orders(oxide)
    assert 1.5 in oxide.bond_order
    assert Chem.MolToSmiles(Chem.RemoveHs(to_rdmol(oxide))) == "[O-][n+]1ccccc1"
    for change, name in (
        ({"bond_order": torch.full_like(oxide.bond_order, 1.2)}, "bond_order"),
        ({"bond_order": oxide.bond_order[1:]}, "bond_order"),
        ({"formal_charge": oxide.formal_charge[1:]}, "formal_charge"),
    ):
        bad = copy.copy(oxide)
        bad.update(change)
        with pytest.raises(InputError, match=f"^{name}: expected"):
            to_rdmol(bad)


def test_parts_of_rings_take_alternating_double_bonds():
    ring = from_smiles("c1ccccc1")
    for atoms, doubles in ((2, 1), (3, 1), (4, 2), (5, 2), (6, 3)):
        part = remove_atoms(ring, [*range(atoms, 6), *range(6, 12)])
        assert set(bond_orders(part)[0].tolist()) == {1.5}
        mol = to_rdmol(part)
        assert sum(b.GetBondType() == Chem.BondType.DOUBLE for b in mol.GetBonds()) == doubles
        assert max(sum(b.GetBondTypeAsDouble() for b in a.GetBonds()) for a in mol.GetAtoms()) <= 3
