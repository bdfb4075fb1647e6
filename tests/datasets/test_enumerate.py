import hashlib

import numpy as np
import pytest
from rdkit import Chem

from torch_afm.data import AFMData, from_smiles
from torch_afm.datasets import MoleculeDataset, enumerate
from torch_afm.datasets.enumerate import enumerate_molecules, is_planar, main, visible_elements
from torch_afm.datasets.smi import embedded_smiles, read_smi
from torch_afm.elements import ORGANIC, atomic_number
from torch_afm.testing import benzene
from torch_afm.transforms import Orient, best_rotations
from torch_afm.utils import InputError

#: The thesis, table 2.1 (silicon: less than 0.1 %).
THESIS = {
    "H": 94.2,
    "C": 31.1,
    "N": 10.3,
    "O": 25.3,
    "F": 2.1,
    "Si": 0.05,
    "P": 0.2,
    "S": 8.5,
    "Cl": 20,
    "Br": 3.3,
}


@pytest.fixture(scope="module")
def molecules():
    return [Chem.AddHs(Chem.MolFromSmiles(s)) for s in embedded_smiles()]


def test_embedded_list_is_distinct_and_canonical(molecules):
    assert len(molecules) == 6328
    canonical = {Chem.MolToSmiles(Chem.RemoveHs(m)) for m in molecules}
    assert len(canonical) == 6328


def test_head_of_the_embedded_list_never_changes():
    """Ids of molecules that the packaged weights were trained on."""
    digest = hashlib.sha256("\n".join(embedded_smiles()[:1500]).encode()).hexdigest()
    assert digest == "6e2930517507fd2491ea54ac11dfcf241ecadb112c9d6b7334ab50f621d96e3b"


def test_sizes_of_the_embedded_list(molecules):
    atoms = np.array([m.GetNumAtoms() for m in molecules])
    assert atoms.min() >= 5 and atoms.max() <= 45
    assert ((atoms >= 15) & (atoms <= 30)).mean() > 0.7
    assert (atoms < 12).mean() > 0.02 and (atoms > 35).mean() > 0.02


def test_elements_of_the_embedded_list(molecules):
    held = [{a.GetSymbol() for a in m.GetAtoms()} for m in molecules]
    assert set().union(*held) == set(ORGANIC)
    assert all(sum(e in h for h in held) >= 20 for e in ORGANIC)


@pytest.mark.slow
def test_embedded_list_is_what_the_recipe_makes():
    """Its first hundred molecules after the head; another version of RDKit may choose others."""
    assert enumerate_molecules(1600, keep=embedded_smiles()[:1500]) == list(embedded_smiles()[:1600])


@pytest.mark.slow
def test_embedded_molecules_show_the_elements_that_those_of_the_thesis_do():
    graphs = list(MoleculeDataset())
    share = 100 * visible_elements(graphs).mean(axis=0)
    assert dict(zip(ORGANIC, share.tolist(), strict=True)) == pytest.approx(THESIS, abs=2.5)
    assert np.mean([is_planar(g) for g in graphs]) > 0.05


def test_visible_elements_by_hand():
    """Each rotation applied to the molecule, and its atoms looked at one by one."""
    for smiles in ("OCC(F)Cl", "c1ccsc1"):
        data = from_smiles(smiles)
        expected = np.zeros(10)
        for rotation in best_rotations(data.pos, 30):
            turned = Orient(rotation)(data.clone())
            shown = {int(z) for z, h in zip(turned.z, turned.pos[:, 2], strict=True) if h >= -0.7}
            expected += [atomic_number(e) in shown for e in ORGANIC]
        assert visible_elements([data])[0] == pytest.approx(expected / 30)


def test_planar():
    assert is_planar(benzene()) and is_planar(from_smiles("c1ccsc1"))
    assert not is_planar(from_smiles("Cc1ccccc1")) and not is_planar(from_smiles("C1CCCCC1"))
    tilted = benzene()
    tilted.pos = Orient(best_rotations(tilted.pos, 30, 30)[29])(tilted).pos + 5
    assert is_planar(tilted)
    assert is_planar(AFMData(z=tilted.z[:2], pos=tilted.pos[:2]))


def test_molecules_are_neutral_and_closed_shell(molecules):
    assert all(Chem.GetFormalCharge(m) == 0 for m in molecules)
    assert all(a.GetNumRadicalElectrons() == 0 for m in molecules for a in m.GetAtoms())
    assert all(len(Chem.GetMolFrags(m)) == 1 for m in molecules)


@pytest.fixture
def small_pools(monkeypatch):
    monkeypatch.setattr(enumerate, "_ROUND", 4)
    monkeypatch.setattr(enumerate, "_CANDIDATES", 2)


def test_a_longer_list_begins_with_the_shorter(small_pools):
    first = enumerate_molecules(10, seed=1)
    assert first == enumerate_molecules(19, seed=1)[:10] and len(set(first)) == 10
    assert len(set(first) & set(enumerate_molecules(10, seed=2))) < 4


def test_molecules_to_keep_stay_at_the_head(small_pools):
    """Also those that the recipe would draw itself, which it then draws no second time."""
    keep = ["c1ccccc1", "CCO", *enumerate_molecules(9, seed=3)[2:7]]
    extended = enumerate_molecules(20, seed=3, keep=keep)
    assert extended[:7] == keep and len(set(extended)) == 20


def test_choice_comes_nearer_to_the_thesis_than_the_draw_does(monkeypatch):
    monkeypatch.setattr(enumerate, "_ROUND", 20)
    pool = enumerate._pool(np.random.default_rng((4, 0)), {})
    chosen = enumerate_molecules(20, seed=4)
    assert set(chosen) < set(pool) and len(pool) == 80
    target = np.array(list(THESIS.values())) / 100
    far, near = (
        ((visible_elements([from_smiles(s) for s in part]).mean(axis=0) - target) ** 2 / target).sum()
        for part in (pool, chosen)
    )
    assert near < far / 3


def test_command(tmp_path, capsys, small_pools):
    main(["--out", str(tmp_path / "a.smi.xz"), "--number", "12", "--keep", "5", "--seed", "7"])
    written = [smiles for _, smiles, _ in read_smi(tmp_path / "a.smi.xz")]
    assert tuple(written[:5]) == embedded_smiles()[:5] and len(set(written)) == 12
    for arguments in (
        ["--number", "0"],
        ["--keep", "-1"],
        ["--keep", "100000"],
        ["--keep", "5", "--number", "4"],
        ["--out", str(tmp_path / "none" / "a.smi"), "--number", "3", "--keep", "3"],
    ):
        with pytest.raises(SystemExit) as exit_:
            main(["--out", str(tmp_path / "b.smi"), *arguments])
        assert exit_.value.code == 2
        assert capsys.readouterr().err.startswith("error: ")


def test_bad_input():
    with pytest.raises(InputError, match="number"):
        enumerate_molecules(0)
    with pytest.raises(InputError, match="keep: expected molecules with a geometry, got 'nonsense'"):
        enumerate_molecules(3, keep=["C", "nonsense"])
