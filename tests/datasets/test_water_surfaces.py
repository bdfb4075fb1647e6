import numpy as np
import pytest
from ase.geometry import get_distances
from ase.neighborlist import neighbor_list

from torch_afm.datasets import WaterSurfaces, load_surfaces, water_surface
from torch_afm.datasets.water_surfaces import ARRANGEMENTS
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt


@pytest.fixture(scope="module")
def surfaces():
    return {name: water_surface(2, name, size=9) for name in ARRANGEMENTS}


def _water(atoms):
    return atoms[atoms.get_tags() == 0]


def test_all_are_whole_molecules_that_keep_apart_above_the_metal(surfaces):
    for atoms in surfaces.values():
        water = _water(atoms)
        assert (water.numbers == np.tile([8, 1, 1], len(water) // 3)).all()
        arms = water.positions.reshape(-1, 3, 3)[:, 1:] - water.positions[::3, None]
        lengths = np.linalg.norm(arms, axis=2)
        assert lengths.min() > 0.95 and lengths.max() < 1.06
        i, j, d = neighbor_list("ijd", water, 1.55)
        assert (i // 3 == j // 3)[d < 1.45].all()
        metal = atoms.positions[atoms.get_tags() > 0, 2].max()
        assert water.positions[:, 2].min() > metal + 1.8
        assert abs(atoms.get_initial_charges().sum()) < 1e-9


def groups(atoms):
    """Sizes of groups of molecules within 3.3 Å of each other."""
    oxygen = _water(atoms).positions[::3]
    near = get_distances(oxygen, cell=atoms.cell, pbc=atoms.pbc)[1] < 3.3
    label = np.arange(len(oxygen))
    for _ in range(len(oxygen)):
        label = np.where(near, label[None], len(oxygen)).min(1)
    return sorted(np.bincount(label, minlength=len(oxygen))[np.unique(label)].tolist())


def test_each_arrangement_is_what_it_is_called(surfaces):
    count = {name: len(_water(atoms)) // 3 for name, atoms in surfaces.items()}
    height = {name: _water(atoms).positions[::3, 2] for name, atoms in surfaces.items()}
    honeycomb = 54
    for name in ("clusters", "chains"):
        found = groups(surfaces[name])
        assert len(found) > 1 and found[-1] <= 24 and count[name] < honeycomb
    assert 0.85 * honeycomb <= count["monolayer"] <= honeycomb
    assert count["edge"] < 0.85 * honeycomb and 0.7 * honeycomb < count["domains"] < honeycomb
    assert count["bilayer"] > honeycomb and (height["bilayer"] > 5).sum() > 2
    assert honeycomb + 6 <= count["mound"] <= honeycomb + 45
    for name in ("monolayer", "edge", "domains"):
        assert height[name].max() < 5


def test_hydrogen_bonds_are_as_long_as_in_ice(surfaces):
    for name, atoms in surfaces.items():
        lengths = neighbor_list("d", _water(atoms)[::3], 3.2)
        assert lengths.min() > 2.5 and 2.68 < np.median(lengths) < 2.95, name


def test_copper_and_seeds():
    one, other = (water_surface((1, n), "clusters", "Cu", 9) for n in (4, 5))
    assert set(one.symbols) == {"Cu", "O", "H"}
    assert np.array_equal(one.positions, water_surface((1, 4), "clusters", "Cu", 9).positions)
    assert len(one) != len(other) or not np.allclose(one.positions, other.positions)


def test_data_set():
    some = WaterSurfaces(5, seed=7, arrangements=["chains", "clusters"], metals=["Ag", "Au"], size=6)
    data = some[1]
    assert data.cell.shape == (1, 3, 3) and data.pbc.tolist() == [[True, True, False]]
    assert len(some) == 5 and repr(some) == "WaterSurfaces(5, seed=7)"
    assert np.allclose(data.pos.numpy(), some.atoms(1).positions, atol=1e-5)
    assert (some[1].pos == data.pos).all()
    assert {int(one.z.max()) for one in some} == {47, 79}
    with pytest.raises(IndexError):
        some[5]
    assert repr(load_surfaces("water")) == "WaterSurfaces(100, seed=0)"


def test_bad_input():
    with pytest.raises(InputError, match="arrangement: expected one of clusters"):
        water_surface(0, "drops")
    with pytest.raises(InputError, match="n: expected at least 1"):
        WaterSurfaces(0)
    with pytest.raises(InputError, match="metals: expected a list of at least one, got 'Au'"):
        WaterSurfaces(metals="Au")
    with pytest.raises(InputError, match="arrangements: expected a list"):
        WaterSurfaces(arrangements=[])
