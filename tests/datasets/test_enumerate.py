from importlib import resources

import numpy as np
import pytest
from rdkit import Chem

from torch_afm.datasets.enumerate import enumerate_molecules, main
from torch_afm.elements import ORGANIC
from torch_afm.utils import InputError


@pytest.fixture(scope="module")
def embedded():
    path = resources.files("torch_afm.datasets").joinpath("resources/molecules.smi")
    return path.read_text("utf-8").splitlines()


@pytest.fixture(scope="module")
def molecules(embedded):
    return [Chem.AddHs(Chem.MolFromSmiles(s)) for s in embedded]


def test_embedded_list_is_distinct_canonical_and_small(embedded):
    assert len(embedded) == 1500
    canonical = {Chem.MolToSmiles(Chem.MolFromSmiles(s)) for s in embedded}
    assert len(canonical) == 1500
    assert sum(len(s) + 1 for s in embedded) < 100_000


def test_sizes_of_the_embedded_list(molecules):
    atoms = np.array([m.GetNumAtoms() for m in molecules])
    assert atoms.min() >= 5 and atoms.max() <= 45
    assert ((atoms >= 15) & (atoms <= 30)).mean() > 0.65
    assert (atoms < 12).mean() > 0.02 and (atoms > 35).mean() > 0.02


def test_elements_of_the_embedded_list(molecules):
    held = [{a.GetSymbol() for a in m.GetAtoms()} for m in molecules]
    share = {e: np.mean([e in h for h in held]) for e in ORGANIC}
    assert set().union(*held) == set(ORGANIC)
    bounds = {
        "H": (0.98, 1),
        "C": (1, 1),
        "N": (0.3, 0.4),
        "O": (0.5, 0.6),
        "F": (0.05, 0.07),
        "Si": (0.01, 0.015),
        "P": (0.01, 0.015),
        "S": (0.11, 0.13),
        "Cl": (0.2, 0.25),
        "Br": (0.04, 0.06),
    }
    for element, (low, high) in bounds.items():
        assert low <= share[element] <= high, element


def test_embedded_list_has_flat_and_solid_molecules(molecules):
    """Aromatic systems without an sp³ carbon on the one hand, saturated ones on the other."""
    sp3 = Chem.MolFromSmarts("[CX4]")
    aromatic = [m.HasSubstructMatch(Chem.MolFromSmarts("c")) for m in molecules]
    saturated = [m.HasSubstructMatch(sp3) for m in molecules]
    assert np.mean([a and not s for a, s in zip(aromatic, saturated, strict=True)]) > 0.1
    assert np.mean([s and not a for a, s in zip(aromatic, saturated, strict=True)]) > 0.25


def test_molecules_are_neutral_and_closed_shell(molecules):
    assert all(Chem.GetFormalCharge(m) == 0 for m in molecules)
    assert all(a.GetNumRadicalElectrons() == 0 for m in molecules for a in m.GetAtoms())
    assert all(len(Chem.GetMolFrags(m)) == 1 for m in molecules)


def test_the_same_seed_gives_the_same_list_and_a_longer_one_begins_alike():
    first = enumerate_molecules(40, seed=1)
    assert first == enumerate_molecules(60, seed=1)[:40]
    assert len(set(first)) == 40
    assert len(set(first) & set(enumerate_molecules(40, seed=2))) < 10


def test_embedded_list_is_what_the_command_writes(tmp_path, embedded):
    """Compared in the canonical form of the RDKit at hand, which may differ between versions."""
    main(["--out", str(tmp_path / "molecules.smi")])
    written = (tmp_path / "molecules.smi").read_text("utf-8").splitlines()
    assert written == [Chem.MolToSmiles(Chem.MolFromSmiles(s)) for s in embedded]


def test_command(tmp_path, capsys):
    main(["--out", str(tmp_path / "a.smi"), "--number", "3", "--seed", "7"])
    assert (tmp_path / "a.smi").read_text() == "".join(s + "\n" for s in enumerate_molecules(3, seed=7))
    for arguments in (["--number", "0"], ["--out", str(tmp_path / "none" / "a.smi"), "--number", "1"]):
        with pytest.raises(SystemExit) as exit_:
            main(["--out", str(tmp_path / "b.smi"), *arguments])
        assert exit_.value.code == 2
        assert capsys.readouterr().err.startswith("error: ")


def test_bad_number():
    with pytest.raises(InputError, match="number"):
        enumerate_molecules(0)
