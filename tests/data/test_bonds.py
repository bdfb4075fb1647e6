import numpy as np
import pytest
import torch
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from rdkit import Chem

from torch_afm.data import covalent_bonds, from_smiles, to_ase, valence_errors
from torch_afm.elements import MAX_VALENCE, atomic_number, max_bond_length, max_valence
from torch_afm.testing import benzene, random_graph, water
from torch_afm.utils import InputError

#: Every element of the embedded list, small and strained rings, and bonds of every order.
SMILES = """
C CC C=C C#C C1CC1 C1CCC1 C1C2CC1C2 C12C3C4C1C5C2C3C45 C1CC2CCC1C2 CC1(C)C2CCC1(C)C(=O)C2 C1C2CC3CC1CC(C2)C3
c1ccccc1 c1ccc2ccccc2c1 c1ccc2c(c1)ccc1ccccc12 c1ccncc1 c1ccoc1 c1ccsc1 c1cc[nH]c1 c1ccc2[nH]ccc2c1 c1cscn1
O N OO NN S FF ClCl BrBr CF CCl CBr FC(F)F ClC(Cl)Cl BrC(Br)Br FC(F)(F)c1ccccc1 Brc1ccccc1Br Clc1ccccc1Cl
CO COC CC=O CC(C)=O CC(=O)O CC(=O)OC CC(N)=O CC#N CN C[N+](=O)[O-] O=[N+]([O-])c1ccccc1[N+](=O)[O-] O=C=O
CS CSC CSSC CS(C)=O CS(C)(=O)=O CS(N)(=O)=O OS(=O)(=O)O P CP(C)C COP(=O)(OC)OC OP(=O)(O)O [SiH4] C[Si](C)(C)C
C[Si](C)(C)O[Si](C)(C)C C[Si](C)(C)[Si](C)(C)C C[Si](C)(C)Cl Cn1cnc2c1c(=O)n(C)c(=O)n2C CC(=O)Oc1ccccc1C(=O)O
"""


def test_bonds_are_those_of_the_smiles():
    for smiles in SMILES.split():
        data = from_smiles(smiles)
        assert covalent_bonds(data.z, data.pos).tolist() == data.edge_index.tolist(), smiles


def test_every_order_of_magnitude_of_atoms_agrees_with_the_full_distance_matrix():
    for n in (0, 1, 2, 17, 150):
        data = random_graph(n, seed=n)
        radius = covalent_radii[data.z.numpy()]
        distance = np.linalg.norm(data.pos.numpy()[:, None] - data.pos.numpy()[None], axis=-1)
        bonded = (distance < radius[:, None] + radius[None] + 0.4) & ~np.eye(n, dtype=bool)
        assert covalent_bonds(data.z, data.pos).tolist() == [list(i) for i in np.nonzero(bonded)]


def test_agrees_with_the_neighbor_list_of_ase():
    data = from_smiles("CC1(C)C2CCC1(C)C(=O)C2")
    cutoffs = [covalent_radii[z] + 0.2 for z in data.z.tolist()]
    i, j = neighbor_list("ij", to_ase(data), cutoffs)
    assert set(zip(i, j, strict=True)) == set(zip(*covalent_bonds(data.z, data.pos).tolist(), strict=True))


def test_both_directions_in_order():
    edges = covalent_bonds(water().z, water().pos)
    assert edges.tolist() == [[0, 0, 1, 2], [1, 2, 0, 0]]
    assert edges.dtype == torch.long and edges.is_contiguous()


def test_rotation_and_translation_change_nothing():
    data = benzene()
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(covalent_bonds(data.z, data.pos @ turn + 7), data.edge_index)


def test_the_longest_bond_is_the_sum_of_two_radii_and_a_tolerance():
    assert max_bond_length(6, [1, 8], 0.1).tolist() == pytest.approx([0.76 + 0.31 + 0.1, 0.76 + 0.66 + 0.1])
    assert float(max_bond_length(6, 6)) == pytest.approx(1.92)


def test_tolerance_is_a_length():
    z, pos = torch.tensor([6, 6]), torch.tensor([[0.0, 0, 0], [1.6, 0, 0]])
    assert covalent_bonds(z, pos, tolerance=0.07).shape == (2, 0)  # 2 × 0.76 + 0.07 = 1.59
    assert covalent_bonds(z, pos, tolerance=0.09).shape == (2, 2)


BAD = [
    (torch.tensor([[1]]), torch.zeros(1, 3), 0.4, "z"),
    (torch.tensor([1]), torch.zeros(2, 3), 0.4, "pos"),
    (torch.tensor([1]), torch.full((1, 3), torch.nan), 0.4, "pos"),
    (torch.tensor([1, 500]), torch.zeros(2, 3), 0.4, "element"),
    (torch.tensor([1]), torch.zeros(1, 3), -0.1, "tolerance"),
    (torch.tensor([1]), torch.zeros(1, 3), float("nan"), "tolerance"),
]


def test_bad_input():
    for z, pos, tolerance, name in BAD:
        with pytest.raises(InputError, match=f"^{name}: expected"):
            covalent_bonds(z, pos, tolerance)


@pytest.mark.parametrize(
    "smiles", ["C[N+](C)(C)C", "OS(=O)(=O)O", "FP(F)(F)(F)F", "C[Si](C)(C)C", "BrCCl", "c1ccccc1"]
)
def test_molecules_break_no_valence(smiles):
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
