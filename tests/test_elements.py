import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers

from torch_afm.elements import (
    LJ_TABLE,
    ORGANIC,
    AtomClasses,
    atomic_number,
    covalent_radius,
    lj_parameters,
    symbol,
)
from torch_afm.units import KCAL_PER_MOL
from torch_afm.utils import InputError


# RDKit reaches the metals' UFF types Cu3+1, Ag1+1 and Au4+3 only with charge and hybridization set.
@pytest.mark.parametrize(
    ("element", "smiles", "hybridization"),
    [
        ("I", "[I]", None),
        ("Na", "[Na]", None),
        ("K", "[K]", None),
        ("Cu", "[Cu+]", Chem.HybridizationType.SP3),
        ("Ag", "[Ag+]", Chem.HybridizationType.SP),
        ("Au", "[Au+3]", Chem.HybridizationType.SP2D),
    ],
)
def test_uff_parameters_against_rdkit(element, smiles, hybridization):
    mol = Chem.MolFromSmiles(f"{smiles}.{smiles}")
    if hybridization is not None:
        for atom in mol.GetAtoms():
            atom.SetHybridization(hybridization)
    x, depth = rdForceFieldHelpers.GetUFFVdWParams(mol, 0, 1)
    radius, eps = lj_parameters([atomic_number(element)])
    assert radius[0] * 2 == pytest.approx(x, abs=1e-3)
    assert eps[0] / KCAL_PER_MOL == pytest.approx(depth, abs=1e-3)


def test_golden_parameters_agree_with_the_table(golden):
    for case in {key.split("/")[0] for key in golden.files}:
        radius, eps = lj_parameters(golden[f"{case}/Z"])
        assert np.allclose(radius, golden[f"{case}/R_atom"]) and np.allclose(eps, golden[f"{case}/eps_atom"])


def test_symbols_and_numbers():
    assert [atomic_number(s) for s in ORGANIC] == [1, 6, 7, 8, 9, 14, 15, 16, 17, 35]
    assert all(symbol(atomic_number(s)) == s for s in LJ_TABLE)
    assert covalent_radius(6) == pytest.approx(0.76)


@pytest.mark.parametrize("element", ["Qq", 0, 300, "X"])
def test_unknown_element_is_named(element):
    with pytest.raises(InputError, match="element"):
        atomic_number(element)


def test_lj_of_unknown_elements_names_them():
    with pytest.raises(InputError, match="no Lennard-Jones parameters for He, U"):
        lj_parameters([1, 92, 2])


def test_classes_there_and_back():
    classes = AtomClasses((("H",), ("C", "N"), ("O",)))
    z = torch.tensor([1, 7, 8, 6])
    assert classes.of(z).tolist() == [1, 2, 3, 2]
    assert classes.representative(classes.of(z)).tolist() == [1, 6, 8, 6]
    assert len(classes) == 4 and classes.names == ("stop", "H", "C/N", "O")
    assert AtomClasses().names == ("stop", "H", "heavy")
    with pytest.raises(InputError, match="F is in none"):
        classes.of(torch.tensor([9]))


@pytest.mark.parametrize("groups", [(), ((),), (("H",), ("H", "C"))])
def test_bad_groups(groups):
    with pytest.raises(InputError, match="groups"):
        AtomClasses(groups)
