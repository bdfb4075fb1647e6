import numpy as np
import pytest
import torch
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from torch_afm.data import covalent_bonds, from_smiles, to_ase
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


def test_agrees_with_the_neighbour_list_of_ase():
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
