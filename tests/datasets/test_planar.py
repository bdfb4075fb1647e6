import numpy as np
import pytest
from rdkit import Chem

from torch_afm.data import from_smiles
from torch_afm.datasets import embedded_smiles, published_split
from torch_afm.datasets.planar import canonical, is_held_out, main, planar_molecules
from torch_afm.utils import InputError

#: Test molecules of the benchmarks, written down here by hand.
TESTED = {
    "naphthalene": "c1ccc2ccccc2c1",
    "pentacene": "c1ccc2cc3cc4cc5ccccc5cc4cc3cc2c1",
    "coronene": "c1cc2ccc3ccc4ccc5ccc6ccc1c7c2c3c4c5c67",
    "PTCDA": "O=C1OC(=O)c2ccc3c4ccc5C(=O)OC(=O)c6ccc(c7ccc1c2c37)c4c56",
    "NTCDA": "O=C1OC(=O)c2ccc3C(=O)OC(=O)c4ccc1c2c34",
    "caffeine": "CN1C=NC2=C1C(=O)N(C)C(=O)N2C",
    "indigo": "O=C1/C(=C2/Nc3ccccc3C2=O)Nc2ccccc12",
    "cis-indigo": "O=C1/C(=C2\\Nc3ccccc3C2=O)Nc2ccccc12",
    "BCB": "Brc1cc(Cl)cc(Cl)c1",
    "1-bromopyrene": "Brc1ccc2ccc3cccc4ccc1c2c34",
    "2-iodopyrene": "Ic1cc2ccc3cccc4ccc(c1)c2c34",
    "2,7-dibromopyrene": "Brc1cc2ccc3cc(Br)cc4ccc(c1)c2c34",
    "1,6-dibromopyrene": "Brc1ccc2ccc3c(Br)ccc4ccc1c2c34",
    "9,10-dicyanoanthracene": "N#Cc1c2ccccc2c(C#N)c2ccccc12",
    "2,6-dicyanoanthracene": "N#Cc1ccc2cc3cc(C#N)ccc3cc2c1",
    "dibromoterphenyl": "Brc1ccc(cc1)-c1ccc(cc1)-c1ccc(Br)cc1",
    "phthalocyanine": "c1ccc2c(c1)C1=NC2=NC2=C3C=CC=CC3=C(N2)N=C2N=C(N=C3NC(=N1)c1ccccc13)c1ccccc12",
    "olympicene": "C1c2cccc3ccc4ccc5cccc1c5c4c32",
    "breitfussin A": "COc1cc(Br)cc2[nH]cc(-c3ncc(-c4ccc[nH]4)o3)c12",
    "cephalandole A": "O=C1Oc2ccccc2N=C1c1c[nH]c2ccccc12",
}


@pytest.fixture(scope="module")
def smiles():
    return embedded_smiles("planar")


def test_list_begins_as_the_recipe_says(smiles):
    assert planar_molecules(40) == list(smiles[:40])


@pytest.mark.slow
def test_list_is_the_recipes(smiles, tmp_path):
    main(["--out", str(tmp_path / "planar.smi")])
    assert (tmp_path / "planar.smi").read_text().split() == list(smiles)


def test_sizes_elements_and_forms(smiles):
    mols = [Chem.AddHs(Chem.MolFromSmiles(s)) for s in smiles]
    assert len(smiles) >= 600 and [canonical(Chem.RemoveHs(m)) for m in mols] == list(smiles)
    assert len(set(smiles)) == len(smiles)
    assert all(12 <= m.GetNumAtoms() <= 60 for m in mols)
    held = [{a.GetSymbol() for a in m.GetAtoms()} for m in mols]
    assert set().union(*held) == {"H", "C", "N", "O", "F", "S", "Cl", "Br", "I"}
    assert all(sum(e in h for h in held) >= 40 for e in ("F", "S", "Cl", "Br", "I"))
    for smarts in (
        "C#N",
        "C#C",
        "C(=O)[OH]",
        "C(=O)OC(=O)",
        "C(=O)[NH]C(=O)",
        "O=C1[#6]~[#6]C(=O)[#6]~[#6]1",
    ):
        assert sum(m.HasSubstructMatch(Chem.MolFromSmarts(smarts)) for m in mols) >= 10, smarts
    odd = Chem.MolFromSmarts("[$([CX3](=O)[F,Cl,Br,I]),$([#7,#8,#16][F,Cl,Br,I]),$([#8][#8])]")
    assert not any(m.HasSubstructMatch(odd) for m in mols)


def test_a_sample_is_flat(smiles):
    for i in np.random.default_rng(0).choice(len(smiles), 25, replace=False):
        pos = from_smiles(smiles[i]).pos.double().numpy()
        pos = pos - pos.mean(axis=0)
        assert np.abs(pos @ np.linalg.eigh(pos.T @ pos)[1][:, 0]).max() < 0.3


def test_no_test_molecule_is_in_the_list(smiles):
    tested = {name: canonical(Chem.MolFromSmiles(s)) for name, s in TESTED.items()}
    assert not set(tested.values()) & set(smiles)
    assert all(is_held_out(Chem.MolFromSmiles(s)) for s in TESTED.values())
    assert not is_held_out(Chem.MolFromSmiles("c1cc2ccc3cccc4ccc(c1)c2c34"))
    triangulene = Chem.MolFromSmiles("c1cc2cc3cccc4cc5cccc6cc(c1)c2c(c34)c56")
    assert triangulene is None or canonical(triangulene) not in smiles
    other = {canonical(Chem.MolFromSmiles(s)) for s in embedded_smiles()}
    assert not other & set(smiles)


def test_split_is_published(smiles):
    parts = published_split("planar")
    assert np.sort(np.concatenate(parts)).tolist() == list(range(len(smiles)))
    assert [len(p) / len(smiles) for p in parts] == pytest.approx([0.75, 0.095, 0.155], abs=0.01)
    # A few ids written down: they must never change.
    assert [p[:3].tolist() for p in parts[1:]] == [[23, 79, 85], [10, 11, 14]]


def test_bad_input(tmp_path, capsys):
    with pytest.raises(InputError, match="number: expected at least 1 molecule, got 0"):
        planar_molecules(0)
    with pytest.raises(SystemExit) as exit_:
        main(["--out", str(tmp_path / "none" / "a.smi"), "--number", "1"])
    assert exit_.value.code == 2 and capsys.readouterr().err.startswith("error: ")
