"""What speaks against atoms, of molecules that are sound and of such that are not."""

import numpy as np
import pytest
import torch

from torch_afm.data import AFMData, covalent_bonds, from_smiles
from torch_afm.prediction.chemistry import list_faults
from torch_afm.prediction.chemistry.faults import length_errors
from torch_afm.utils import InputError

WINDOW = ((-8.0, 8.0), (-8.0, 8.0))


def flat(smiles):
    """A molecule in the plane z = 0."""
    found = from_smiles(smiles)
    pos = found.pos - found.pos.mean(0)
    pos = pos @ torch.linalg.svd(pos, full_matrices=False).Vh.T
    return AFMData(z=found.z, pos=pos - torch.tensor([0.0, 0.0, 1.0]) * pos[:, 2].max())


def without(atoms, *gone):
    keep = [i for i in range(len(atoms.z)) if i not in gone]
    return AFMData(z=atoms.z[keep], pos=atoms.pos[keep])


def faults(atoms, n=None, window=WINDOW):
    return list_faults(atoms, len(atoms.z) if n is None else n, window)


SOUND = [
    "c1ccc2ccccc2c1",
    "O=C1c2ccccc2C(=O)c2ccccc21",
    "N#Cc1ccccc1",
    "C#Cc1ccccc1",
    "c1ccncc1",
    "O=[N+]([O-])c1ccccc1",
    "CS(=O)(=O)c1ccccc1",
    "Clc1ccccc1Br",
    "c1ccsc1",
    "Cc1ccccc1",
    "OC(=O)c1ccccc1",
]


@pytest.mark.parametrize("smiles", SOUND)
@pytest.mark.parametrize("scale", [(1.0, 1.0), (1.15, 0.9)])
def test_nothing_speaks_against_molecules_however_the_scanner_distorts_them(smiles, scale):
    atoms = flat(smiles)
    atoms.pos = atoms.pos * torch.tensor([*scale, 1.0])
    assert faults(atoms) == []


def test_no_atom_has_no_fault():
    assert faults(AFMData.empty()) == []


def test_each_missing_hydrogen_is_named():
    benzene = flat("c1ccccc1")
    for hydrogen in (benzene.z == 1).nonzero().flatten().tolist():
        bonded = (benzene.pos - benzene.pos[hydrogen]).norm(dim=1).argsort()[1]
        (found,) = faults(without(benzene, hydrogen))
        assert found.endswith(f"of C{int(bonded) + 1}")


def test_neighbors_that_nobody_would_see_are_not_missed():
    benzene = flat("c1ccccc1")
    hydrogen = int((benzene.z == 1).nonzero()[0])
    part = without(benzene, hydrogen)
    edge = float(part.pos[:, 0].max())
    assert faults(part, window=((-20.0, -18.0), (-8.0, 8.0))) == []  # the scan does not show the atom
    assert len(faults(part, window=((-8.0, edge + 3), (-8.0, 8.0)))) == 1
    # Standing on an edge: what lies below the visible atoms may be anything.
    upright = AFMData(z=benzene.z, pos=benzene.pos[:, [1, 2, 0]])
    upright.pos[:, 2] -= upright.pos[:, 2].max()
    shown = (upright.pos[:, 2] > -1.6).nonzero().flatten().tolist()
    hidden = [i for i in range(len(upright.z)) if i not in shown]
    assert not any("missing" in fault for fault in faults(without(upright, *hidden)))


def test_too_many_bonds_and_halogens_within_a_ring():
    benzene = flat("c1ccccc1")
    chlorine = benzene.clone()
    chlorine.z[0] = 17
    assert any("more bonds" in fault and "Cl1" in fault for fault in faults(chlorine))
    # Of what lies below nothing is asked.
    below = AFMData(z=benzene.z[[0]], pos=benzene.pos[[0]] + torch.tensor([0.0, 0.0, 6.0]))
    both = AFMData(z=torch.cat([below.z, chlorine.z]), pos=torch.cat([below.pos, chlorine.pos]))
    assert not any("more bonds" in fault for fault in list_faults(both, 1, WINDOW))


def test_a_halogen_as_near_as_hydrogen():
    """Refined or not, its bond is far too short."""
    pentacene = flat("c1ccc2cc3cc4cc5ccccc5cc4cc3cc2c1")
    for element in (17, 35):
        wrong = pentacene.clone()
        wrong.z[int((wrong.z == 1).nonzero()[0])] = element
        assert any("lengths of bonds" in fault for fault in faults(wrong))


def test_positions_at_random():
    naphthalene = flat("c1ccc2ccccc2c1")
    rng = np.random.default_rng(0)
    naphthalene.pos += torch.from_numpy(0.25 * rng.normal(size=naphthalene.pos.shape)).float()
    assert any("lengths of bonds" in fault for fault in faults(naphthalene))


def test_errors_of_lengths_are_those_of_the_molecule_and_not_of_the_scanner():
    atoms = flat("c1ccc2ccccc2c1")
    bonds = covalent_bonds(atoms.z, atoms.pos)
    bonds = bonds[:, bonds[0] < bonds[1]]
    plain = length_errors(atoms.z, atoms.pos.double(), bonds)
    matrix = torch.tensor([[1.12, 0.05, 0.0], [0.05, 0.92, 0.0], [0.0, 0.0, 1.0]])
    distorted = length_errors(atoms.z, (atoms.pos @ matrix).double(), bonds)
    assert np.abs(plain).max() < 0.05
    np.testing.assert_allclose(distorted, plain, atol=0.05)
    longer = atoms.clone()
    last = int(bonds[1, -1])
    away = longer.pos[last] - longer.pos[int(bonds[0, -1])]
    longer.pos[last] += 0.4 * away / away.norm()
    assert length_errors(longer.z, longer.pos.double(), bonds)[-1] == pytest.approx(0.4, abs=0.12)


def test_atoms_alone_and_atoms_too_near():
    grid = torch.tensor([[3.0 * i, 3.0 * j, 0.0] for i in range(3) for j in range(3)])
    assert any("9 of 9 atoms have no neighbor" in f for f in faults(AFMData(z=torch.full((9,), 8), pos=grid)))
    assert faults(AFMData(z=torch.full((2,), 8), pos=grid[:2])) == []
    pair = AFMData(z=torch.tensor([1, 1]), pos=torch.tensor([[0.0, 0, 0], [0.9, 0, 0]]))
    assert any("nearer to another" in fault for fault in faults(pair))


@pytest.mark.parametrize("pos", [torch.zeros(3, 2), torch.full((3, 3), float("nan"))])
def test_bad_input(pos):
    with pytest.raises(InputError, match=r"^pos"):
        faults(AFMData(z=torch.tensor([6, 6, 6]), pos=pos), n=3)
