import re
from importlib import metadata

import numpy as np
import pytest
import torch
from rdkit import Chem, rdBase
from rdkit.Chem import rdForceFieldHelpers

from torch_afm.elements import (
    LJ_TABLE,
    ORGANIC,
    ORGANIC_AND_IODINE,
    AtomClasses,
    atomic_number,
    covalent_radius,
    lj_parameters,
    max_valence,
    symbol,
)
from torch_afm.units import KCAL_PER_MOL
from torch_afm.utils import InputError

#: Elements whose parameters are the Universal Force Field's; the others are the Probe Particle Model's own.
UFF = sorted(set(LJ_TABLE) - {*ORGANIC, "Xe"})
#: Elements that RDKit's atom typer knows in no charge and hybridization, though its table has them.
UNTYPED = ("Sr", "Ru", "Rh", "Ba", "Ir", "Pb")


@pytest.mark.parametrize("element", [s for s in UFF if s not in UNTYPED])
def test_uff_parameters_against_rdkit(element):
    """Metals have an atom type in one hybridization only, such as Cu3+1 and Au4+3."""
    found = set()
    kinds = Chem.HybridizationType
    for kind in (kinds.S, kinds.SP, kinds.SP2, kinds.SP3, kinds.SP2D, kinds.SP3D, kinds.SP3D2):
        mol = Chem.MolFromSmiles(f"[{element}].[{element}]")
        for atom in mol.GetAtoms():
            atom.SetHybridization(kind)
        with rdBase.BlockLogs():
            found.add(rdForceFieldHelpers.GetUFFVdWParams(mol, 0, 1))
    ((x, depth),) = found - {None}
    radius, eps = lj_parameters([atomic_number(element)])
    assert radius[0] * 2 == pytest.approx(x, abs=1e-9)
    assert eps[0] / KCAL_PER_MOL == pytest.approx(depth, abs=1e-9)


@pytest.mark.parametrize("element", UNTYPED)
def test_uff_parameters_against_the_table_inside_rdkit(element):
    """Its library holds the table as text: label, bond radius, angle, x, D, ..."""
    libraries = [f for f in metadata.files("rdkit") or () if f.name.startswith("libRDKitForceField")]
    pattern = rf"\b{element}[_\d]\S*\t[\d.]+\t[\d.]+\t([\d.]+)\t([\d.]+)\t"
    rows = {row for f in libraries for row in re.findall(pattern.encode(), f.locate().read_bytes())}
    if not rows:
        pytest.skip("this build of RDKit keeps its force field elsewhere")
    ((x, depth),) = rows
    radius, eps = LJ_TABLE[element]
    assert radius * 2 == pytest.approx(float(x), abs=1e-9)
    assert eps / KCAL_PER_MOL == pytest.approx(float(depth), abs=1e-9)


def test_lj_of_another_table():
    radius, eps = lj_parameters([79, 6], {"C": (1.9, 0.004), "Au": (1.5, 0.1)})
    assert radius.tolist() == [1.5, 1.9] and eps.tolist() == [0.1, 0.004]
    with pytest.raises(InputError, match=r"no Lennard-Jones parameters for O; known elements: C$"):
        lj_parameters([8], {"C": (1.9, 0.004)})


def test_golden_parameters_agree_with_the_table(golden):
    for case in {key.split("/")[0] for key in golden.files}:
        radius, eps = lj_parameters(golden[f"{case}/Z"])
        assert np.allclose(radius, golden[f"{case}/R_atom"]) and np.allclose(eps, golden[f"{case}/eps_atom"])


def test_symbols_and_numbers():
    assert [atomic_number(s) for s in ORGANIC] == [1, 6, 7, 8, 9, 14, 15, 16, 17, 35]
    assert all(symbol(atomic_number(s)) == s for s in LJ_TABLE)
    assert covalent_radius(6) == pytest.approx(0.76)


def test_iodine_is_known_everywhere():
    assert (*ORGANIC, "I") == ORGANIC_AND_IODINE
    (radius,), (depth,) = lj_parameters([53])
    # Heavier than bromine: larger, and more easily polarized.
    assert (radius, depth) > (2.22, 0.013876) and radius < 2.4 and depth < 0.02
    assert covalent_radius(53) == pytest.approx(1.39) and max_valence(53) == 1
    assert AtomClasses(tuple((s,) for s in ORGANIC_AND_IODINE)).names[-1] == "I"


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
    assert classes.index_of(z).tolist() == [1, 2, 3, 2]
    assert classes.representative(classes.index_of(z)).tolist() == [1, 6, 8, 6]
    assert len(classes) == 4 and classes.names == ("stop", "H", "C/N", "O")
    assert AtomClasses().names == ("stop", "H", "heavy")
    assert classes.has(torch.tensor([1, 9, 8, 79])).tolist() == [True, False, True, False]
    with pytest.raises(InputError, match="F is in none"):
        classes.index_of(torch.tensor([9]))


@pytest.mark.parametrize("groups", [(), ((),), (("H",), ("H", "C"))])
def test_bad_groups(groups):
    with pytest.raises(InputError, match="groups"):
        AtomClasses(groups)
