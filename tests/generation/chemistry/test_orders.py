import torch
from rdkit import Chem

from torch_afm.data import AFMData, from_smiles, remove_atoms, valence_errors
from torch_afm.generation.chemistry import bond_orders, length_order

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
        for (i, j), order in zip(graph.edge_index.T.tolist(), bond_orders(graph).tolist(), strict=True):
            wanted = truth.get((i, j)) or truth[(j, i)]
            if smiles == "CS(C)(=O)=O" and {int(graph.z[i]), int(graph.z[j])} == {16, 8}:
                assert order in (1, 2)  # charges are apart or not
            else:
                assert order == wanted, smiles


def test_parts_of_molecules_go_by_lengths():
    ring = from_smiles("c1ccccc1")
    bare = remove_atoms(ring, ring.z == 1)
    assert bond_orders(bare).tolist() == [1.5] * 12
    # Two hydrogens cut off ethane: no ethene.
    ethane = from_smiles("CC")
    hydrogens = [next(i for i in range(2, 8) if [c, i] in ethane.edge_index.T.tolist()) for c in (0, 1)]
    assert bond_orders(remove_atoms(ethane, hydrogens)).tolist() == [1.0] * 10
    ethene = from_smiles("C=C")
    assert 2.0 in bond_orders(ethene).tolist()


def test_lengths_that_nobody_is_sure_of_tell_nothing():
    ring = from_smiles("c1ccccc1")
    bare = remove_atoms(ring, ring.z == 1)
    assert bond_orders(bare, torch.full((6, 3), 0.2)).tolist() == [1.0] * 12
    assert bond_orders(bare, torch.full((6, 3), 0.01)).tolist() == [1.5] * 12
    # Across the bonds positions do not matter: the ring is flat in some plane, whose normal they may move on.
    flat = AFMData(z=bare.z, pos=torch.zeros(6, 3), edge_index=bare.edge_index)
    angle = torch.arange(6) * torch.pi / 3
    flat.pos[:, 0], flat.pos[:, 1] = 1.397 * angle.cos(), 1.397 * angle.sin()
    sigma = torch.tensor([[0.01, 0.01, 1.0]]).repeat(6, 1)
    assert bond_orders(flat, sigma).tolist() == [1.5] * 12


def test_pieces_are_looked_at_one_by_one():
    one, other = from_smiles("C=O"), from_smiles("C=C")
    both = AFMData(
        z=torch.cat([one.z, other.z]),
        pos=torch.cat([one.pos, other.pos + 20]),
        edge_index=torch.cat([one.edge_index, other.edge_index + 4], dim=1),
    )
    assert bond_orders(both).tolist() == [*bond_orders(one).tolist(), *bond_orders(other).tolist()]


def test_orders_never_break_a_valence():
    # Four carbons around one, all as near as in triple bonds.
    z = torch.full((5,), 6)
    corners = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.7
    star = torch.tensor([[0, 0, 0, 0], [1, 2, 3, 4]])
    pos, edges = torch.cat([torch.zeros(1, 3), corners]), torch.cat([star, star.flip(0)], dim=1)
    order = bond_orders(AFMData(z=z, pos=pos, edge_index=edges))
    assert not valence_errors(z, edges, order).any()
    assert torch.equal(order[:4], order[4:])
    assert bond_orders(AFMData.empty()).shape == (0,)
