import ase.build
import numpy as np
import pytest

from torch_afm.data import covalent_bonds, from_ase
from torch_afm.metrics.structure import structure_features


@pytest.mark.parametrize("name", ["CH3CH2OH", "C6H6", "CH3CONH2", "SiH4"])
def test_bonds_are_those_of_the_molecule(name):
    atoms = ase.build.molecule(name)
    data = from_ase(atoms)
    bonds = covalent_bonds(data.z, data.pos).numpy()
    (got,) = structure_features(atoms, names=["bond_length", "valence_angle"])
    lengths = [atoms.get_distance(i, j) for i, j in bonds.T if i < j]
    np.testing.assert_allclose(np.sort(got["bond_length"]), np.sort(lengths))
    angles = [atoms.get_angle(i, a, k) for i, a in bonds.T for b, k in bonds.T if a == b and i < k]
    np.testing.assert_allclose(np.sort(got["valence_angle"]), np.sort(angles), atol=1e-5)


def test_diamond_across_the_cell():
    atom = ase.build.bulk("C", cubic=True)
    (got,) = structure_features(atom, names=["bond:C-C", "angle:C-C-C"])
    np.testing.assert_allclose(got["bond:C-C"], np.full(16, 3.57 * np.sqrt(3) / 4))
    np.testing.assert_allclose(got["angle:C-C-C"], np.full(48, np.degrees(np.arccos(-1 / 3))))


def test_substrate_counts_only_by_name():
    slab = ase.build.fcc111("Au", (3, 3, 2), vacuum=8.0)
    ase.build.add_adsorbate(slab, ase.build.molecule("CO"), 2.0, "ontop")
    (got,) = structure_features(slab, names=["bond_length", "bond:Au-C", "bond:Au-Au"])
    carbon_oxygen = slab.get_distance(len(slab) - 2, len(slab) - 1)
    np.testing.assert_allclose(got["bond_length"], [carbon_oxygen])
    assert len(got["bond:Au-Au"]) == 9 * 6 + 9 * 3  # three in a layer an atom, both layers; three between
