"""What is prepared of a structure, and what an image can show of it."""

import ase
import ase.build
import numpy as np
import pytest

from torch_afm.metrics.structure import StructureSettings, layers, structure_features, visible_mask
from torch_afm.metrics.structure.prepared import Prepared, substrate_height
from torch_afm.utils import InputError


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


FREE = np.eye(3), np.zeros(3, dtype=bool)


def test_layers():
    atoms = ase.Atoms("O5", positions=[[0, 0, z] for z in (0.0, 3.0, 3.4, 5.0, 0.2)])
    assert layers(atoms).tolist() == [2, 1, 1, 0, 2]
    assert layers(atoms, gap=2.0).tolist() == [1, 0, 0, 0, 1]
    assert layers(ase.Atoms()).tolist() == []
    with pytest.raises(InputError, match="gap"):
        layers(atoms, gap=0.0)
    with pytest.raises(InputError, match="positions"):
        layers(ase.Atoms("O", positions=[[0, 0, np.nan]]))


def test_substrate_height():
    z, pos = np.array([79, 79, 8]), np.array([[0, 0, 1.0], [0, 0, 3.0], [0, 0, 7.0]])
    assert substrate_height(z, pos, "Au") == 3.0
    assert substrate_height(z, pos, "Cu") is None


def test_depth():
    pos = np.array([[0, 0, 5.0], [9, 0, 2.0], [18, 0, 1.999]])
    assert visible_mask(np.full(3, 8), pos, *FREE, depth=3.0).tolist() == [True, True, False]
    assert visible_mask(np.full(3, 8), pos, *FREE).all()
    assert visible_mask(np.empty(0, dtype=int), np.empty((0, 3)), *FREE, 3.0, 1.5).shape == (0,)


def test_shadow_begins_where_spheres_say():
    # Two oxygens (1.52 Å), the second 2 Å deeper; probe 1.5 Å. The first stops the probe above the second
    # as long as sqrt(3.02² - d²) - 2 > 3.02, never; the other way about, as deep as h: it is sqrt(3.02² - d²)
    # above the first's center and 3.02 - 2 above it at the apex of the second.
    edge = np.sqrt(3.02**2 - 1.02**2)
    for distance, seen in ((0.0, False), (edge - 1e-3, False), (edge + 1e-3, True), (5.0, True)):
        pos = np.array([[0, 0, 10.0], [distance, 0, 8.0]])
        assert visible_mask(np.array([8, 8]), pos, *FREE, probe=1.5).tolist() == [True, seen]


def test_images_cast_shadows():
    # The tall atom is at the far side of the cell, 1 Å from the low one's image.
    pos = np.array([[0.5, 0, 10.0], [9.5, 0, 6.0]])
    cell = np.diag([10.0, 10, 30])
    assert visible_mask(np.array([8, 8]), pos, cell, np.zeros(3, dtype=bool), probe=1.5).all()
    repeated = np.array([True, True, False])
    assert visible_mask(np.array([8, 8]), pos, cell, repeated, probe=1.5).tolist() == [True, False]


def test_hydrogen_and_its_oxygen_are_seen_together():
    water = ase.build.molecule("H2O")  # the plane of the molecule is upright, hydrogens below
    mask = visible_mask(water.numbers, water.positions, *FREE, probe=1.52)
    assert mask.all()
    below = water.copy()
    below.positions -= [0, 0, 4.0]
    both = water + below
    mask = visible_mask(both.numbers, both.positions, *FREE, probe=1.52)
    assert mask.tolist() == [True] * 3 + [False] * 3


def test_hidden_atoms_are_no_neighbors():
    # Three atoms in a row downwards: within 3 Å of the top are two.
    atoms = ase.Atoms("O3", positions=[[0, 0, 0], [1.5, 0, 2.8], [0, 0, 5.6]])
    assert len(structure_features(atoms, names=["d_OO"])[0]["d_OO"]) == 2
    (got,) = structure_features(atoms, StructureSettings.visible(), names=["d_OO"])
    np.testing.assert_allclose(got["d_OO"], np.hypot(1.5, 2.8))


def test_layer_is_measured_from_the_top_of_the_substrate():
    atoms = ase.Atoms("Au2O2", positions=[[0, 0, 0], [0, 0, 2.0], [0, 0, 6.0], [2.5, 0, 6.9]])
    count = [
        len(structure_features(atoms, StructureSettings(ordered_pairs=True, **s), ["d_OO"])[0]["d_OO"])
        for s in (
            {"layer": (4.5, 9.0)},  # one center, its partner from below
            {"layer": (4.5, 9.0), "partners": "layer"},
            {"layer": (4.0, 4.9)},  # the lowest height is out, the highest in
            {"layer": (3.9, 4.9)},
            {"layer": (4.5, 9.0), "substrate": "Cu"},  # no copper, no filter
        )
    ]
    assert count == [1, 0, 1, 2, 2]
