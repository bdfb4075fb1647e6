"""Torsions, against RDKit's dihedral angles."""

import numpy as np
import pytest
import torch
from rdkit import Chem
from rdkit.Chem import rdMolTransforms

from torch_afm import from_smiles
from torch_afm.data import to_rdmol
from torch_afm.identification import soft_torsions


@pytest.mark.parametrize(
    ("smiles", "count"),
    [("c1ccccc1", 0), ("c1ccc(-c2ccccc2)cc1", 1), ("CCCC", 3), ("C#CCCC", 2), ("CC(F)(F)F", 0), ("O", 0)],
)
def test_bonds_that_turn(smiles: str, count: int) -> None:
    assert len(soft_torsions(from_smiles(smiles))) == count


def test_those_that_move_most_atoms_come_first() -> None:
    sizes = [len(torsion.moving) for torsion in soft_torsions(from_smiles("CCCCCCCC"))]
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes) <= 13  # of 26 atoms the smaller side moves


def test_angle_is_that_of_rdkit() -> None:
    molecule = from_smiles("CCCC")
    torsion = soft_torsions(molecule)[0]
    angle = torch.tensor([0.4, -1.1, 0.0], dtype=torch.float64)
    turned = torsion.turn(molecule.pos.double().expand(3, -1, -1), angle)
    mol = to_rdmol(molecule)
    chain = Chem.MolFromSmarts("CCCC")
    ends = mol.GetSubstructMatch(chain)

    def dihedral(pos: torch.Tensor) -> float:
        conformer = mol.GetConformer()
        for i, place in enumerate(pos.tolist()):
            conformer.SetAtomPosition(i, place)
        return float(rdMolTransforms.GetDihedralRad(conformer, *ends))

    before = dihedral(molecule.pos.double())
    changes = np.array([dihedral(pos) - before for pos in turned])
    # Which end moves decides the sign.
    wrapped = [(changes - sign * angle.numpy() + np.pi) % (2 * np.pi) - np.pi for sign in (1, -1)]
    assert min(np.abs(difference).max() for difference in wrapped) < 1e-6


def test_bonds_keep_their_lengths() -> None:
    molecule = from_smiles("c1ccc(-c2ccccc2)cc1")
    (torsion,) = soft_torsions(molecule)
    pos = torsion.turn(molecule.pos.double()[None], torch.tensor([0.7], dtype=torch.float64))[0]
    a, b = molecule.edge_index
    before = (molecule.pos[a] - molecule.pos[b]).double().norm(dim=1)
    torch.testing.assert_close((pos[a] - pos[b]).norm(dim=1), before, atol=1e-6, rtol=0)
    still = torch.ones(len(pos), dtype=torch.bool)
    still[torsion.moving] = False
    assert torch.equal(pos[still], molecule.pos.double()[still])
    assert (pos[torsion.moving] - molecule.pos[torsion.moving]).norm(dim=1).max() > 0.5
