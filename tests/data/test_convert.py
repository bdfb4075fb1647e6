import ase
import numpy as np
import pytest
import torch
from ase.build import fcc111, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import AllChem

from torch_afm.data import (
    AFMData,
    from_ase,
    from_rdmol,
    from_smiles,
    remove_atoms,
    to_ase,
    to_rdmol,
)
from torch_afm.elements import atomic_number
from torch_afm.testing import assert_same_graph, benzene, random_graph, water
from torch_afm.utils import InputError

SMILES = """
C CCO C=C C#C c1ccccc1 CC(=O)Oc1ccccc1C(=O)O Cn1cnc2c1c(=O)n(C)c(=O)n2C O=[N+]([O-])c1ccccc1 CS(C)(=O)=O
COP(=O)(OC)OC C[Si](C)(C)C#C FC(F)(F)c1ccc(Br)cc1Cl c1ccc2[nH]ccc2c1 CC1(C)C2CCC1(C)C(=O)C2 O=C1C=CC(=O)C=C1
N#CCC#N c1cscn1 CC(=O)[O-] C[NH3+] c1ccc2c(c1)ccc1ccccc12 C[N+](=O)[O-] O=C=O
"""


def _smiles(mol: Chem.Mol) -> str:
    """Canonical SMILES without hydrogens and stereochemistry."""
    return Chem.MolToSmiles(Chem.RemoveHs(Chem.Mol(mol)), isomericSmiles=False)


def test_smiles_to_graph_and_back():
    """Bond orders and formal charges are perceived anew from atoms, bonds and the net charge alone."""
    for smiles in SMILES.split():
        assert _smiles(to_rdmol(from_smiles(smiles))) == _smiles(Chem.MolFromSmiles(smiles))


def test_atoms_on_top_of_each_other_are_refused():
    double = Chem.AddHs(Chem.MolFromSmiles("C"))
    AllChem.EmbedMolecule(double, randomSeed=1)
    double = Chem.CombineMols(double, double)
    slab = ase.Atoms("OO", positions=[[0, 0, 0], [3.8, 0, 0]], cell=[4, 4, 9], pbc=(True, True, False))
    for call, words in [
        (lambda: from_rdmol(double), "mol: expected atoms at least 0.5 Å .* got atoms . and . at 0.000"),
        (lambda: from_ase(ase.Atoms("HH", positions=[[0, 0, 0], [0, 0, 0.4]])), "atoms 1 and 2 at 0.400"),
        (lambda: from_ase(slab), "periodic image"),
    ]:
        with pytest.raises(InputError, match=words):
            call()
    slab.pbc = False
    assert from_ase(slab).z.tolist() == [8, 8]
    assert from_ase(molecule("H2")).z.tolist() == [1, 1]  # the shortest bond there is


def test_sulfoxides_come_back_with_separated_charges():
    assert _smiles(to_rdmol(from_smiles("CS(C)=O"))) == "C[S+](C)[O-]"


def test_methane_has_the_geometry_of_a_tetrahedron():
    data = from_smiles("C")
    assert data.z.tolist() == [6, 1, 1, 1, 1]
    arms = data.pos[1:] - data.pos[0]
    length = arms.norm(dim=1)
    assert length.tolist() == pytest.approx([1.09] * 4, abs=0.02)
    cosine = (arms @ arms.t()) / length[:, None] / length[None]
    assert cosine[~torch.eye(4, dtype=torch.bool)].tolist() == pytest.approx([-1 / 3] * 12, abs=1e-3)


def test_benzene_is_flat_and_regular():
    data = from_smiles("c1ccccc1")
    centred = data.pos - data.pos.mean(0)
    assert float(torch.linalg.svdvals(centred)[-1]) < 1e-2
    radius = centred.norm(dim=1)
    assert radius[:6].tolist() == pytest.approx([1.39] * 6, abs=0.02)
    assert radius[6:].tolist() == pytest.approx([2.48] * 6, abs=0.02)


def test_types_and_shapes():
    data = from_smiles("CO")
    assert sorted(data.keys()) == ["charge", "edge_index", "pos", "z"]
    assert data.z.dtype == data.edge_index.dtype == torch.long
    assert data.pos.dtype == data.charge.dtype == torch.float32
    assert data.pos.shape == (6, 3) and data.charge.shape == (6,) and data.edge_index.shape == (2, 10)


def test_seed_decides_the_conformer():
    smiles = "CCCCC(=O)OC"
    assert_same_graph(from_smiles(smiles, seed=3), from_smiles(smiles, seed=3))
    assert not torch.allclose(from_smiles(smiles, seed=3).pos, from_smiles(smiles, seed=4).pos)


@pytest.mark.parametrize("charges", ["gasteiger", "mmff94"])
@pytest.mark.parametrize(("smiles", "net"), [("CCO", 0), ("CC(=O)[O-]", -1), ("C[NH3+]", 1), ("c1ccsc1", 0)])
def test_partial_charges_sum_to_the_net_charge(smiles, net, charges):
    assert float(from_smiles(smiles, charges=charges).charge.sum()) == pytest.approx(net, abs=1e-4)


def test_charge_models_are_those_of_rdkit():
    mol = Chem.AddHs(Chem.MolFromSmiles("CC(=O)NC"))
    AllChem.EmbedMolecule(mol, randomSeed=1)
    AllChem.ComputeGasteigerCharges(mol)
    gasteiger = [float(a.GetProp("_GasteigerCharge")) for a in mol.GetAtoms()]
    properties = AllChem.MMFFGetMoleculeProperties(mol)
    mmff94 = [properties.GetMMFFPartialCharge(i) for i in range(mol.GetNumAtoms())]
    assert from_rdmol(mol).charge.tolist() == pytest.approx(gasteiger, abs=1e-6)
    assert from_rdmol(mol, "mmff94").charge.tolist() == pytest.approx(mmff94, abs=1e-6)
    assert max(abs(a - b) for a, b in zip(gasteiger, mmff94, strict=True)) > 0.1


# Gasteiger has no parameters for boron and selenium next to these, nor MMFF94 for either.
@pytest.mark.parametrize(
    "smiles", ["OB(O)c1ccccc1", "C[Se]C", "[Na+].[Cl-]", "F[Sb](F)(F)(F)F", "[Fe]", "[Xe]"]
)
@pytest.mark.parametrize("charges", ["gasteiger", "mmff94"])
def test_charges_are_never_nan(smiles, charges):
    charge = from_smiles(smiles, charges=charges).charge
    assert torch.isfinite(charge).all()
    assert float(charge.sum()) == pytest.approx(0, abs=1e-4)


def test_charges_fall_back_on_the_other_model():
    """MMFF94 types no bare iron but knows the ions; Gasteiger knows neither."""
    assert from_smiles("[Na+].[Cl-]", charges="gasteiger").charge.tolist() == [1, -1]


def test_rdmol_keeps_atoms_order_and_positions():
    mol = Chem.AddHs(Chem.MolFromSmiles("CS(=O)(=O)c1ccccc1"))
    AllChem.EmbedMolecule(mol, randomSeed=5)
    data = from_rdmol(mol)
    assert data.z.tolist() == [a.GetAtomicNum() for a in mol.GetAtoms()]
    assert torch.allclose(data.pos.double(), torch.tensor(mol.GetConformer().GetPositions()), atol=1e-6)
    assert {frozenset(b) for b in data.edge_index.t().tolist()} == {
        frozenset((b.GetBeginAtomIdx(), b.GetEndAtomIdx())) for b in mol.GetBonds()
    }
    assert_same_graph(from_rdmol(to_rdmol(data)), data, atol=1e-4)


def test_partial_graphs_have_the_orders_of_their_lengths():
    """Benzene without hydrogens has open valences: none is filled by a triple bond."""
    data = benzene()
    mol = to_rdmol(remove_atoms(data, data.z == 1))
    assert sorted(b.GetBondTypeAsDouble() for b in mol.GetBonds()) == [1, 1, 1, 2, 2, 2]
    assert mol.NeedsUpdatePropertyCache()
    straight = from_smiles("CC#CC")
    assert _smiles(to_rdmol(straight)) == "CC#CC"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 14), st.integers(0, 10**6))
def test_any_graph_converts(n, seed):
    data = random_graph(n, seed)
    mol = to_rdmol(data)
    assert [a.GetAtomicNum() for a in mol.GetAtoms()] == data.z.tolist()
    assert mol.GetNumBonds() == data.edge_index.shape[1] // 2
    assert to_ase(data).positions == pytest.approx(data.pos.numpy(), abs=1e-6)


def test_a_valence_far_beyond_chemistry_converts():
    edges = torch.combinations(torch.arange(9)).t()
    data = AFMData(z=torch.ones(9, dtype=torch.long), pos=torch.rand(9, 3), edge_index=edges)
    assert {b.GetBondType() for b in to_rdmol(data).GetBonds()} == {Chem.BondType.SINGLE}
    assert to_rdmol(data).GetNumBonds() == 36


def test_empty_graphs_convert():
    assert to_rdmol(AFMData.empty()).GetNumAtoms() == 0
    assert len(to_ase(AFMData.empty())) == 0
    assert_same_graph(from_ase(to_ase(AFMData.empty())), AFMData.empty())


def test_charges_travel_with_the_rdkit_molecule():
    charges = [a.GetDoubleProp("PartialCharge") for a in to_rdmol(water()).GetAtoms()]
    assert charges == pytest.approx([-0.834, 0.417, 0.417])


@pytest.mark.parametrize("name", ["H2O", "C6H6", "CH3COOH", "Si2H6", "SO2", "C2H6SO", "PH3", "CH3CH2Cl"])
def test_ase_molecules_go_there_and_back(name):
    atoms = molecule(name)
    data = from_ase(atoms)
    assert data.charge.tolist() == [0] * len(atoms)
    back = to_ase(data)
    assert back.get_chemical_formula() == atoms.get_chemical_formula()
    assert back.positions == pytest.approx(atoms.positions, abs=1e-6)
    degree = torch.bincount(data.edge_index[0], minlength=len(atoms))
    assert degree[data.z == atomic_number("H")].tolist() == [1] * int((data.z == 1).sum())


def test_ase_charges():
    atoms = to_ase(water())
    assert_same_graph(from_ase(atoms), water(), atol=1e-6)
    bare = ase.Atoms(numbers=atoms.numbers, positions=atoms.positions)
    bare.calc = SinglePointCalculator(bare, charges=[0.5, -0.25, -0.25])
    assert from_ase(bare).charge.tolist() == [0.5, -0.25, -0.25]


def test_cells_are_kept():
    atoms = fcc111("Au", (2, 1, 1), vacuum=5.0)
    data = from_ase(atoms)
    assert data.pbc.tolist() == [[True, True, False]] and data.cell.shape == (1, 3, 3)
    back = to_ase(data)
    assert back.pbc.tolist() == atoms.pbc.tolist()
    assert back.cell.array == pytest.approx(atoms.cell.array, abs=1e-6)
    atoms.pbc = False
    assert "cell" not in from_ase(atoms)


def test_charges_of_other_names():
    for key in ("charge", "q"):
        atoms = ase.Atoms("HF", positions=[[0, 0, 0], [0, 0, 0.92]])
        atoms.set_array(key, np.array([0.4, -0.4]))
        assert from_ase(atoms).charge.tolist() == pytest.approx([0.4, -0.4])


def test_bad_smiles():
    for smiles in ("", " ", "xyz", "C(", "c1ccccc", "F(F)(F)F", "*C"):
        with pytest.raises(InputError) as error:
            from_smiles(smiles)
        assert "\n" not in str(error.value)


BAD = [
    (lambda: from_smiles("C", charges="bader"), "charges"),
    (lambda: from_smiles("C", seed=-1), "seed"),
    (lambda: from_smiles("C", seed=2**31), "seed"),
    (lambda: from_rdmol(Chem.MolFromSmiles("C")), "mol"),
    (lambda: from_ase(ase.Atoms("X")), "element"),
    (lambda: from_ase(ase.Atoms("H", positions=[[0, 0, float("nan")]])), "pos"),
    (lambda: from_ase(ase.Atoms("H", positions=[[0, 0, 1e30]])), "pos"),
    (lambda: from_ase(ase.Atoms("H", pbc=True)), "cell"),
    (lambda: from_ase(ase.Atoms("H", cell=[[1, 0, 0], [2, 0, 0], [0, 0, 1]], pbc=True)), "cell"),
    (lambda: from_ase(ase.Atoms("H", cell=[float("inf"), 2, 3], pbc=True)), "cell"),
    (lambda: to_rdmol(AFMData(z=torch.tensor([0]), pos=torch.zeros(1, 3))), "element"),
]


def test_other_bad_input():
    for call, name in BAD:
        with pytest.raises(InputError, match=f"^{name}: expected"):
            call()
