import ase
import numpy as np

from torch_afm.metrics.structure import StructureSettings
from torch_afm.metrics.structure.prepared import Prepared


def test_wraps_periodic_directions_only():
    atoms = ase.Atoms("O", positions=[[11.0, -1.0, -7.0]], cell=[10, 10, 10], pbc=(True, True, False))
    np.testing.assert_allclose(Prepared(atoms, StructureSettings()).pos, [[1.0, 9.0, -7.0]])
    np.testing.assert_allclose(Prepared(atoms, StructureSettings(periodic=False)).pos, atoms.positions)
    np.testing.assert_allclose(atoms.positions, [[11.0, -1.0, -7.0]])  # the user's stay


def test_atoms_at_one_place_are_no_neighbors():
    atoms = ase.Atoms("O3", positions=[[0, 0, 0], [0, 0, 0], [3, 0, 0]])
    assert Prepared(atoms, StructureSettings()).around.count.tolist() == [1, 1, 2]


def test_hydrogen_belongs_to_the_nearest_even_outside_the_layer():
    # 1.0 Å from the O below the layer, 1.1 Å from the one inside.
    atoms = ase.Atoms("AuO2H", positions=[[0, 0, 0], [0, 0, 4.0], [0, 0, 6.1], [0, 0, 5.0]])
    for settings, bonded in (
        (StructureSettings(layer=(5.0, 9.0)), [0]),
        (StructureSettings(layer=(5.0, 9.0), hydrogens="all"), [1]),
        (StructureSettings(), [1, 0]),
    ):
        assert Prepared(atoms, settings).hydrogens.count.tolist() == bonded


def test_donated_hydrogens():
    atoms = ase.Atoms("OHO", positions=[[0, 0, 0], [0, 0, 1.0], [1.5, 0, 1.0]])
    donated = Prepared(atoms, StructureSettings()).donated
    assert donated.donor.tolist() == [0] and donated.hydrogen.tolist() == [1]
    np.testing.assert_allclose(donated.distance, np.hypot(1.5, 1.0))
    np.testing.assert_allclose(donated.angle, 90)
