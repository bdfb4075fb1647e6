"""SDF, mol and mol2: blocks that RDKit writes, and files."""

import pytest
import torch
from rdkit import Chem
from rdkit.Chem import AllChem, rdDepictor

from tests.io.molecule_files import MOL2 as METHANOL
from torch_afm.data import covalent_bonds, from_smiles, remove_atoms, to_rdmol
from torch_afm.io import read_molecule, write_sdf
from torch_afm.io.mdl import parse_mdl, parse_mol2
from torch_afm.testing import assert_same_graph, random_graph, water
from torch_afm.utils import InputError

#: Hydrogen chloride, with charges that nobody would compute.
MOL2 = """@<TRIPOS>MOLECULE
HCL
 2 1 0 0 0
SMALL
USER_CHARGES

@<TRIPOS>ATOM
 1 H1 0.0 0.0 0.0 H 1 HCL 0.25
 2 Cl1 1.27 0.0 0.0 Cl 1 HCL -0.25
@<TRIPOS>BOND
 1 1 2 1
"""


@pytest.mark.parametrize("smiles", ["Oc1ccccc1Cl", "CC(=O)[O-]", "C#N"])
def test_a_block_has_the_atoms_places_and_bonds_of_its_molecule(smiles):
    molecule = from_smiles(smiles)
    found = parse_mdl(Chem.MolToMolBlock(to_rdmol(molecule)), "a.sdf")
    assert found.z.tolist() == molecule.z.tolist()
    torch.testing.assert_close(found.pos, molecule.pos, atol=1e-4, rtol=0)
    edges = [{tuple(edge) for edge in g.edge_index.T.tolist()} for g in (found, molecule)]
    assert edges[0] == edges[1]
    # Formal charges are in the block, so what they add up to is, too.
    assert float(found.charge.sum()) == pytest.approx(
        Chem.GetFormalCharge(Chem.MolFromSmiles(smiles)), abs=1e-4
    )
    zero = parse_mdl(Chem.MolToMolBlock(to_rdmol(molecule)), "a.sdf", charges="zero")
    assert not zero.charge.any()


def test_hydrogens_that_bonds_call_for_are_added_with_a_warning():
    mol = Chem.RemoveHs(to_rdmol(from_smiles("CCO")))
    with pytest.warns(UserWarning, match="added the hydrogens"):
        found = parse_mdl(Chem.MolToMolBlock(mol), "a.sdf")
    assert sorted(found.z.tolist()) == [1] * 6 + [6, 6, 8]


def test_charges_of_a_mol2_are_kept():
    found = parse_mol2(MOL2, "a.mol2")
    assert found.z.tolist() == [1, 17] and found.charge.tolist() == [0.25, -0.25]
    assert found.pos[1].tolist() == pytest.approx([1.27, 0.0, 0.0])


def flat() -> str:
    mol = Chem.MolFromSmiles("CCO")
    AllChem.Compute2DCoords(mol)
    return Chem.MolToMolBlock(mol)


BAD = [
    (lambda: parse_mdl("", "a"), "a"),
    (lambda: parse_mdl(flat(), "a"), "a: expected positions in 3-D"),
    (lambda: parse_mdl("\n\n\n  x  0\n", "a", first=5), "a, line 8: expected the number of atoms"),
    (lambda: parse_mol2(MOL2 + MOL2, "a"), "a: expected one molecule"),
    (lambda: parse_mol2(MOL2.replace("-0.25", "much"), "a"), "a"),
]


def test_bad_blocks_are_named():
    for call, words in BAD:
        with pytest.raises(InputError, match=f"^{words}"):
            call()


def test_mol2(tmp_path):
    """Charges and bonds of the file; without charges Gasteiger's; without hydrogens it is refused."""
    path = tmp_path / "a.mol2"
    path.write_text(METHANOL)
    data = read_molecule(path)
    assert data.z.tolist() == [6, 8, 1, 1, 1, 1] and data.pos[1].tolist() == pytest.approx([1.42, 0, 0])
    assert data.charge.tolist() == pytest.approx([0.15, -0.7, 0.4, 0.05, 0.05, 0.05])
    assert data.edge_index.tolist() == covalent_bonds(data.z, data.pos).tolist()
    path.write_text(METHANOL.replace("USER_CHARGES", "NO_CHARGES"))
    gasteiger = sorted(from_smiles("CO").charge.tolist())
    assert sorted(read_molecule(path).charge.tolist()) == pytest.approx(gasteiger, abs=1e-3)
    heavy = METHANOL.splitlines(keepends=True)
    text = "".join([*heavy[:9], heavy[13], heavy[14]]).replace("6 5 0", "2 1 0")
    path.write_text(text)
    with pytest.raises(InputError, match="carbons that lack some"):
        read_molecule(path)


def test_files_of_positions_without_bonds(tmp_path):
    """Bonds are those of the distances, and no hydrogens are added."""
    data = from_smiles("CCO")
    write_sdf(tmp_path / "a.sdf", data)
    lines = (tmp_path / "a.sdf").read_text().splitlines()
    bare = [*lines[:3], lines[3].replace("  9  8", "  9  0"), *lines[4:13], "M  END", "$$$$"]
    (tmp_path / "a.sdf").write_text("\n".join(bare) + "\n")
    (tmp_path / "a.mol2").write_text(METHANOL.partition("@<TRIPOS>BOND")[0].replace("6 5 0", "6 0 0"))
    for name, charges in (("a.sdf", data.charge.tolist()), ("a.mol2", [0.15, -0.7, 0.4, 0.05, 0.05, 0.05])):
        found = read_molecule(tmp_path / name)
        assert found.edge_index.tolist() == covalent_bonds(found.z, found.pos).tolist()
        assert found.charge.tolist() == pytest.approx(charges, abs=1e-3)


def test_the_cell_of_a_mol2(tmp_path):
    path = tmp_path / "a.mol2"
    path.write_text(METHANOL + "@<TRIPOS>CRYSIN\n8 9 20 90 90 60 1 1\n")
    found = read_molecule(path)
    edges = [[8, 0, 0], [4.5, 9 * 0.75**0.5, 0], [0, 0, 20]]
    torch.testing.assert_close(found.cell, torch.tensor([edges], dtype=torch.float32))
    assert found.pbc.tolist() == [[True] * 3]
    for line, message in [
        ("8 9 20 90 90 60 4 1", "space group 1"),
        ("8 9 20", "expected a, b, c"),
        ("8 0 20 90 90 90 1 1", "expected a, b, c"),
        ("8 9 20 90 10 10 1 1", "expected a, b, c"),
        ("0.1 9 20 90 90 90 1 1", "at least 0.5 Å from each other"),
    ]:
        path.write_text(METHANOL + f"@<TRIPOS>CRYSIN\n{line}\n")
        with pytest.raises(InputError, match=message):
            read_molecule(path)


@pytest.mark.parametrize("smiles", ["CS(=O)(=O)c1ccccc1[N+](=O)[O-]", "C[Si](C)(C)C#CC(=O)OC", "CC(=O)[O-]"])
def test_sdf_round_trip(tmp_path, smiles):
    data = from_smiles(smiles)
    write_sdf(tmp_path / "a.sdf", data)
    assert_same_graph(read_molecule(tmp_path / "a.sdf"), data, atol=6e-5)
    read = next(iter(Chem.SDMolSupplier(str(tmp_path / "a.sdf"))))
    assert Chem.MolToSmiles(read) == Chem.MolToSmiles(Chem.MolFromSmiles(smiles))


def test_an_sdf_of_several_molecules_has_the_bond_orders_of_each(tmp_path):
    """Ten of them and a part of one: a ring without hydrogens."""
    data = from_smiles(".".join(["O=[N+]([O-])c1ccccc1"] * 10 + ["c1ccccc1"]))
    data = remove_atoms(data, list(range(len(data.z) - 6, len(data.z))))
    write_sdf(tmp_path / "a.sdf", data)
    mol = next(iter(Chem.SDMolSupplier(str(tmp_path / "a.sdf"), sanitize=False, removeHs=False)))
    doubles = sum(b.GetBondType() == Chem.BondType.DOUBLE for b in mol.GetBonds())
    assert doubles == 10 * 4 + 3
    assert sorted({a.GetFormalCharge() for a in mol.GetAtoms()}) == [-1, 0, 1]


@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_sdf_of_unfinished_graphs(tmp_path, n):
    for seed in range(8):
        data = random_graph(n, seed)
        data.pos = 3 * data.pos  # of random positions within 3 Å, some are too near
        write_sdf(tmp_path / "a.sdf", data)
        assert_same_graph(read_molecule(tmp_path / "a.sdf"), data, atol=6e-5)
    data = from_smiles("c1ccc2ccccc2c1")
    data = remove_atoms(data, list(range(n, 18)))
    write_sdf(tmp_path / "a.sdf", data)
    assert_same_graph(read_molecule(tmp_path / "a.sdf"), data, atol=6e-5)


def test_mol_files_get_gasteiger_charges(tmp_path):
    data = from_smiles("CCO")
    (tmp_path / "a.mol").write_text(Chem.MolToMolBlock(to_rdmol(data)))
    assert_same_graph(read_molecule(tmp_path / "a.mol"), data, atol=6e-5)


@pytest.mark.parametrize("label", ["2D", "  "])
@pytest.mark.parametrize("smiles", ["CCO", "[H]C([H])([H])O[H]"])
def test_drawings_are_refused(tmp_path, label, smiles):
    """With and without hydrogens, and whether or not the header says so; the message has the SMILES."""
    mol = Chem.MolFromSmiles(smiles)
    mol = Chem.AddHs(mol) if "[H]" in smiles else mol
    rdDepictor.Compute2DCoords(mol)
    (tmp_path / "a.sdf").write_text(Chem.MolToMolBlock(mol).replace("2D", label))
    with pytest.raises(InputError, match=r"2-D drawing.*CO"):
        read_molecule(tmp_path / "a.sdf")


def test_a_planar_molecule_is_no_drawing(tmp_path):
    """Its hydrogens are there, and the header says 3D or nothing."""
    mol = to_rdmol(water())
    for i in range(3):
        at = mol.GetConformer().GetAtomPosition(i)
        mol.GetConformer().SetAtomPosition(i, (at.x, at.z, 0.0))
    for label in ("3D", "  "):
        (tmp_path / "a.mol").write_text(Chem.MolToMolBlock(mol).replace("3D", label))
        assert read_molecule(tmp_path / "a.mol").z.tolist() == [8, 1, 1]


@pytest.mark.parametrize("smiles", ["CCO", "c1ccc2[nH]ccc2c1", "CC(=O)[O-]"])
def test_missing_hydrogens_are_added_in_three_dimensions(tmp_path, smiles):
    whole = from_smiles(smiles)
    mol = Chem.RemoveHs(to_rdmol(whole))
    (tmp_path / "a.sdf").write_text(Chem.MolToMolBlock(mol))
    with pytest.warns(UserWarning, match=r"a\.sdf: added the hydrogens"):
        data = read_molecule(tmp_path / "a.sdf")
    assert sorted(data.z.tolist()) == sorted(whole.z.tolist())
    heavy = whole.pos[whole.z > 1]
    torch.testing.assert_close(data.pos[data.z > 1], heavy, atol=6e-5, rtol=0)
    # Each lies near where the force field had it, or, of a group that turns, at least at its distance.
    bonds = data.edge_index[:, data.z[data.edge_index[0]] == 1]
    assert bonds.shape[1] == int((data.z == 1).sum())
    length = (data.pos[bonds[0]] - data.pos[bonds[1]]).norm(dim=1)
    assert float(length.min()) > 0.9 and float(length.max()) < 1.2
