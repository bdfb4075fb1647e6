"""Blocks that RDKit writes; files: ``test_structures``."""

import pytest
import torch
from rdkit import Chem
from rdkit.Chem import AllChem

from torch_afm.data import from_smiles, to_rdmol
from torch_afm.io.mdl import parse_mdl, parse_mol2
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
