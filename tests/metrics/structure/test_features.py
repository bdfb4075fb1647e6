"""Structure features against plain loops, closed forms and symmetries."""

import ase
import ase.build
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.structure.loops import published_features
from torch_afm.data import covalent_bonds, from_ase
from torch_afm.metrics.structure import FEATURES, StructureSettings, structure_features
from torch_afm.metrics.structure.features import fifth_distance, local_structure_index, tetrahedral_orders
from torch_afm.metrics.structure.neighbors import neighbors
from torch_afm.utils import InputError

PRESETS = {
    "default": StructureSettings(),
    "visible": StructureSettings.visible(),
    "shadow": StructureSettings.visible(shadow=1.52),
    "layer": StructureSettings(layer=(4.0, 7.0), partners="layer", acceptor="all", ordered_pairs=True),
    "huang2025": StructureSettings.huang2025(),
}


def test_ice(ice):
    (got,) = structure_features(ice)
    n, nearest, tetrahedral = (ice.numbers == 8).sum(), 2.76, np.degrees(np.arccos(-1 / 3))
    expected = {
        "d_OO": np.full(2 * n, nearest),
        "d_OH": np.full(2 * n, 0.98),
        "HOH": np.full(n, tetrahedral),
        "OHO": np.full(2 * n, 180.0),
        "OOO": np.full(6 * n, tetrahedral),
        "theta_ZOH": np.empty(0),  # nothing is free in a perfect crystal
        "hbond": np.tile([nearest, 180.0], (2 * n, 1)),
        "S_g": np.zeros(n),
        "S_k": np.zeros(n),
        "d5": np.full(n, nearest * np.sqrt(8 / 3)),
        # Three gaps of nothing and one to the second shell.
        "LSI": np.full(n, 3 / 16 * (nearest * (np.sqrt(8 / 3) - 1)) ** 2),
        "bond_length": np.full(2 * n, 0.98),
        "valence_angle": np.full(n, tetrahedral),
    }
    for name, values in expected.items():
        assert got[name].shape == values.shape, name
        np.testing.assert_allclose(got[name], values, atol=1e-5, err_msg=name)
    np.testing.assert_array_equal(got["order"], np.stack([got["S_k"], got["S_g"]], axis=1))


def test_ice_slab_has_free_bonds_at_its_faces_only(ice):
    slab = ice.copy()
    slab.pbc = (True, True, False)
    (got,) = structure_features(slab)
    assert set(got["theta_ZOH"].round(4)) == {0.0, 180.0}  # the cut is through upright bonds
    assert len(got["theta_ZOH"]) + len(got["hbond"]) == (ice.numbers == 1).sum()
    assert len(got["S_g"]) == (ice.numbers == 8).sum() - 2 * 9  # 9 cut bonds a face


@pytest.mark.parametrize("preset", PRESETS)
def test_order_of_atoms_does_not_matter(waters, same, preset):
    atoms = waters()
    order = np.random.default_rng(1).permutation(len(atoms))
    same(*(structure_features(a, PRESETS[preset])[0] for a in (atoms[order], atoms)), atol=1e-6)


@pytest.mark.parametrize("preset", PRESETS)
def test_rotation_about_the_normal_does_not_matter(waters, same, preset):
    turned = waters()
    turned.rotate(37.0, "z", rotate_cell=True)
    same(*(structure_features(a, PRESETS[preset])[0] for a in (turned, waters())), atol=1e-6)


@pytest.mark.parametrize("preset", ["default", "visible", "shadow", "layer"])
def test_translation_across_the_cell_does_not_matter(waters, same, preset):
    moved = waters()
    moved.positions += [5.3, -8.1, 2.0]
    wrapped = moved.copy()
    wrapped.wrap()
    expected = structure_features(waters(), PRESETS[preset])[0]
    assert len(expected["d_OO"]) >= 10
    same(structure_features(moved, PRESETS[preset])[0], expected, atol=1e-6)
    same(structure_features(wrapped, PRESETS[preset])[0], expected, atol=1e-6)


@pytest.mark.parametrize("preset", ["default", "visible", "shadow", "layer"])
def test_repeated_cell_repeats_values(waters, same, preset):
    twice = waters().repeat((2, 1, 1))
    expected = structure_features(waters(), PRESETS[preset])[0]
    expected = {name: np.concatenate([v, v]) for name, v in expected.items()}
    same(structure_features(twice, PRESETS[preset])[0], expected, atol=1e-6)


def test_cell_smaller_than_the_reach():
    # Simple cubic, one atom: its neighbors are its own images, 3 to each side once.
    atom = ase.Atoms("O", cell=[3.0, 3.0, 3.0], pbc=True)
    (got,) = structure_features(atom)
    np.testing.assert_allclose(got["d_OO"], [3.0, 3.0, 3.0])
    np.testing.assert_allclose(np.sort(got["OOO"]), [90.0] * 12 + [180.0] * 3, atol=1e-5)
    np.testing.assert_allclose(structure_features(atom, names=["pair:O-O"])[0]["pair:O-O"], 3.0)
    (both,) = structure_features(atom, StructureSettings(ordered_pairs=True), ["d_OO"])
    np.testing.assert_allclose(both["d_OO"], [3.0] * 6)


def test_published_conventions_equal_plain_loops(waters, same):
    for seed in range(3):
        atoms = waters(seed=seed)
        (got,) = structure_features(atoms, StructureSettings.huang2025())
        expected = published_features(atoms)
        assert all(len(v) for v in expected.values())
        same(got, expected, atol=1e-5)  # arccos of the loops is inexact near 180 degrees


def test_conventions_change_what_they_name(waters):
    def count(name, **arguments):
        return len(structure_features(waters(), StructureSettings(**arguments), [name])[0][name])

    assert count("d_OO", ordered_pairs=True) == 2 * count("d_OO")
    assert count("d_OO", periodic=False) < count("d_OO")
    assert count("d_OO", pair_cutoff=3.0) < count("d_OO")
    assert count("S_g", order_cutoff=4.5) > count("S_g", order_cutoff=3.7) > count("S_g")
    assert count("S_g", layer=(4.0, 7.0)) > count("S_g", layer=(4.0, 7.0), partners="layer")
    assert count("hbond", acceptor="all") > count("hbond")
    assert count("theta_ZOH", free="all") > count("theta_ZOH")
    (got,) = structure_features(waters(), StructureSettings(order_form="1-S"))
    (usual,) = structure_features(waters())
    np.testing.assert_allclose(got["S_g"], 1 - usual["S_g"])


def test_other_elements():
    ammonia = ase.build.molecule("NH3")
    (got,) = structure_features(ammonia, StructureSettings(center="N"))
    np.testing.assert_allclose(np.sort(got["d_OH"]), np.sort(ammonia.get_distances(0, [1, 2, 3])))
    np.testing.assert_allclose(got["HOH"], ammonia.get_angle(1, 0, 2), atol=1e-3)

    ethanol = ase.build.molecule("CH3CH2OH")
    names = ["bond:C-C", "bond:H-C", "angle:C-C-O", "angle:O-C-C", "bond_length", "valence_angle", "pair:C-O"]
    (got,) = structure_features(ethanol, names=names)
    carbon, oxygen = np.flatnonzero(ethanol.numbers == 6), np.flatnonzero(ethanol.numbers == 8)
    np.testing.assert_allclose(got["bond:C-C"], ethanol.get_distance(*carbon))
    assert {name: len(v) for name, v in got.items()} == {
        "bond:C-C": 1,
        "bond:H-C": 5,
        "angle:C-C-O": 1,
        "angle:O-C-C": 1,
        "bond_length": 8,
        "valence_angle": 6 + 6 + 1,
        "pair:C-O": 2,
    }
    near, far = sorted(carbon, key=lambda c: ethanol.get_distance(c, oxygen[0]))
    np.testing.assert_allclose(got["angle:C-C-O"], ethanol.get_angle(far, near, oxygen[0]), atol=1e-5)


def test_one_dict_a_structure(ice):
    assert structure_features([]) == []
    got = structure_features([ice, ase.Atoms()], names=["S_g", "hbond"])
    assert [list(one) for one in got] == [["S_g", "hbond"]] * 2
    assert got[1]["S_g"].shape == (0,) and got[1]["hbond"].shape == (0, 2)


@st.composite
def few_atoms(draw):
    n = draw(st.integers(0, 9))
    # Half-ångström places: coincident atoms, equal distances and straight lines are common.
    pos = draw(arrays(np.float64, (n, 3), elements=st.integers(-4, 4).map(lambda i: i / 2)))
    z = draw(arrays(np.int64, n, elements=st.sampled_from([1, 8, 8, 79])))
    pbc = draw(st.sampled_from([False, (True, True, False), True]))
    return ase.Atoms(numbers=z, positions=pos, cell=[5.0, 5.5, 6.0], pbc=pbc)


@settings(max_examples=60, deadline=None)
@given(few_atoms(), st.sampled_from(sorted(PRESETS)))
def test_degenerate_sets(atoms, preset):
    names = [*FEATURES, "bond:O-H", "angle:H-O-H", "pair:O-Au"]
    (got,) = structure_features(atoms, PRESETS[preset], names)
    assert list(got) == names
    for name, values in got.items():
        assert values.dtype == np.float64 and np.isfinite(values).all()
        assert values.shape[1:] == ((2,) if len(FEATURES[name].ranges) == 2 else ())
    assert len(got["S_g"]) == len(got["S_k"]) == len(got["order"])
    assert not len(got["S_g"]) or 0 <= got["S_g"].min() <= got["S_g"].max() <= 4 + 1e-9


@pytest.mark.parametrize("neighbors", range(7))
def test_number_of_neighbors(neighbors):
    # All neighbors at 3 Å on an octahedron; the gap to the first beyond is to the one at 5 Å.
    shell = 3 * np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])[:neighbors]
    atoms = ase.Atoms("O" * (neighbors + 1), positions=[[0, 0, 0], *shell])
    (got,) = structure_features(atoms, StructureSettings(pair_cutoff=3.1, order_cutoff=3.1, lsi_cutoff=3.1))
    assert len(got["d_OO"]) == neighbors
    assert len(got["OOO"]) == neighbors * (neighbors - 1) // 2
    assert len(got["S_g"]) == (neighbors >= 4)
    assert len(got["d5"]) == (neighbors + 1 if neighbors >= 5 else 0)


#: What is refused.
REFUSED = [
    ase.Atoms("O", positions=[[0, np.nan, 0]]),
    ase.Atoms("O", positions=[[0, np.inf, 0]]),
    ase.Atoms("X", positions=[[0, 0, 0]]),
    ase.Atoms("O", pbc=True),
    ase.Atoms("O", cell=[[1, 0, 0], [2, 0, 0], [0, 0, 1]], pbc=(True, True, False)),
    "water.xyz",
    7,
    [np.zeros(3)],
]


def test_bad_structures():
    for atoms in REFUSED:
        with pytest.raises(InputError, match=r"^atoms"):
            structure_features(atoms)


def test_bad_names():
    for names in (["S_q"], ["pair:O"], ["bond:O-Xy"], ["angle:H-O"], "S_g"):
        with pytest.raises(InputError):
            structure_features(ase.Atoms("O"), names=names)


def test_bad_settings():
    with pytest.raises(InputError, match="settings"):
        structure_features(ase.Atoms("O"), {"center": "O"})


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


TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)


def around(shell, reach=10.0):
    pos = np.vstack([np.zeros(3), shell])
    others = np.arange(1, len(pos))
    return neighbors(pos, np.array([0]), others, reach, np.eye(3), np.zeros(3, dtype=bool))


def test_perfect_tetrahedron():
    np.testing.assert_allclose(tetrahedral_orders(around(2.8 * TETRAHEDRON), 3.5), [[0, 0]], atol=1e-12)


def test_stretched_tetrahedron():
    # r = 2, 2, 2, 3: mean 9/4, squares 3/16 and 9/16 sum to 3/4; angles stay.
    shell = TETRAHEDRON * np.array([2, 2, 2, 3])[:, None]
    np.testing.assert_allclose(
        tetrahedral_orders(around(shell), 3.5), [[0.75 / 3 / (4 * (9 / 4) ** 2), 0]], atol=1e-12
    )
    assert len(tetrahedral_orders(around(shell), 2.9)) == 0


def test_square_and_line():
    square = 3 * np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    # Cosines: four 0, two -1.
    np.testing.assert_allclose(
        tetrahedral_orders(around(square), 3.5)[0, 1], 3 / 8 * (4 / 9 + 2 * 4 / 9), atol=1e-12
    )
    line = np.array([[2.4, 0, 0], [2.5, 0, 0], [2.6, 0, 0], [2.7, 0, 0]])
    np.testing.assert_allclose(tetrahedral_orders(around(line), 3.5)[0, 1], 4)  # the largest


def test_random_directions_have_mean_one():
    rng = np.random.default_rng(0)
    n = 20_000
    shell = rng.normal(size=(n, 4, 3))
    shell *= 3 / np.linalg.norm(shell, axis=-1, keepdims=True)
    centers = np.arange(n)[:, None, None] * np.array([20.0, 0, 0])
    pos = np.concatenate([centers, centers + shell], axis=1).reshape(-1, 3)
    index = np.arange(len(pos)).reshape(n, 5)
    pairs = neighbors(pos, index[:, 0], index[:, 1:].ravel(), 3.1, np.eye(3), np.zeros(3, dtype=bool))
    s_g = tetrahedral_orders(pairs, 3.1)[:, 1]
    assert len(s_g) == n
    assert abs(s_g.mean() - 1) < 4 * s_g.std() / np.sqrt(n)
    assert s_g.min() >= 0 and s_g.max() <= 4


def test_fifth_neighbor():
    distances = np.array([2.7, 2.9, 3.4, 2.8, 3.1, 4.0])
    shell = distances[:, None] * np.array([1.0, 0, 0])
    np.testing.assert_allclose(fifth_distance(around(shell)), [3.4])
    assert len(fifth_distance(around(shell[:4]))) == 0


def test_local_structure_index():
    distances = np.array([2.6, 2.7, 2.9, 3.5, 4.1, 6.0])
    shell = distances[:, None] * np.array([0, 1.0, 0])
    usual, published = np.var([0.1, 0.2, 0.6, 0.6]), np.var([0.1, 0.2, 0.6])
    np.testing.assert_allclose(local_structure_index(around(shell), 3.7), [usual])
    np.testing.assert_allclose(local_structure_index(around(shell), 3.7, last_gap=False), [published])
    # Nothing beyond the cutoff, one neighbor within, none within.
    assert len(local_structure_index(around(shell[:4]), 3.7)) == 0
    np.testing.assert_allclose(local_structure_index(around(shell[:4]), 3.7, last_gap=False), [published])
    np.testing.assert_allclose(local_structure_index(around(shell[[0, 4]]), 3.7), [0], atol=1e-12)
    assert len(local_structure_index(around(shell[[0, 4]]), 3.7, last_gap=False)) == 0
    assert len(local_structure_index(around(shell[4:]), 3.7)) == 0


def test_several_centers():
    chain = ase.Atoms("O4", positions=[[0, 0, 0], [2.5, 0, 0], [5.5, 0, 0], [9.5, 0, 0]]).positions
    every = np.arange(4)
    pairs = neighbors(chain, every, every, 10.0, np.eye(3), np.zeros(3, dtype=bool))
    # Gaps by center: 3.0 | 0.5, 4.0 | 1.0, 1.5 with n = 1, 2, 1 and nothing within of the last.
    np.testing.assert_allclose(local_structure_index(pairs, 3.7), [0, np.var([0.5, 4.0]), 0])


def dimer(bend=0.0):
    """A flat water that donates to another along x, its O-H...O bent away from 180°; the other hydrogen of
    the donor stands upright."""
    donor = [[0, 0, 0], [0.97, 0, 0], [0, 0, 0.97]]
    turn = np.radians(bend)
    acceptor = np.array([0.97 + 1.9 * np.cos(turn), 1.9 * np.sin(turn), 0])
    own = acceptor + np.array([[0.5, 0, 0.83], [0.5, 0, -0.83]])
    return ase.Atoms("OH2OH2", positions=[*donor, acceptor, *own])


@pytest.mark.parametrize("bend", [0.0, 30.0, 59.0, 61.0])
def test_hydrogen_bond(bend):
    (got,) = structure_features(dimer(bend))
    distance = np.sqrt(0.97**2 + 1.9**2 + 2 * 0.97 * 1.9 * np.cos(np.radians(bend)))
    expected = [[distance, 180 - bend]] if bend < 60 else np.empty((0, 2))
    np.testing.assert_allclose(got["hbond"], expected, atol=1e-9)
    assert np.abs(got["OHO"] - (180 - bend)).min() < 1e-9  # however bent


def test_free_bonds():
    up, tilt = 0.0, np.degrees(np.arctan2(0.5, 0.83))
    (got,) = structure_features(dimer())
    np.testing.assert_allclose(np.sort(got["theta_ZOH"]), [up, tilt, 180 - tilt], atol=1e-9)
    (every,) = structure_features(dimer(), StructureSettings(free="all"))
    np.testing.assert_allclose(np.sort(every["theta_ZOH"]), [up, tilt, 90, 180 - tilt], atol=1e-9)
    # The published test is at the donor and inverted: the donated bond stays, the acceptor's own go, which
    # point away from the donor.
    (published,) = structure_features(dimer(), StructureSettings(free="published"))
    away = np.degrees(np.arccos(-0.5 / np.hypot(0.5, 0.83)))
    assert away > 120
    np.testing.assert_allclose(np.sort(published["theta_ZOH"]), [up, 90], atol=1e-9)


def test_normal():
    (got,) = structure_features(dimer(), StructureSettings(normal=(0.0, 0.0, -2.0)), ["theta_ZOH"])
    (usual,) = structure_features(dimer(), names=["theta_ZOH"])
    np.testing.assert_allclose(np.sort(got["theta_ZOH"]), np.sort(180 - usual["theta_ZOH"]))


def test_number_of_hydrogens():
    ions = ase.Atoms("OHOH3", positions=[[0, 0, 0], [0, 0, 1], [9, 0, 0], [9, 0, 1], [9, 1, 0], [10, 0, 0]])
    counts = [
        len(structure_features(ions, StructureSettings(free_hydrogens=n), ["theta_ZOH"])[0]["theta_ZOH"])
        for n in (1, 2, 3, None)
    ]
    assert counts == [1, 0, 3, 4]


def test_a_hydrogen_between_two_oxygens():
    # Nearer to one than to the other; both lengths are exact in binary.
    shared = ase.Atoms("OHO", positions=[[0, 0, 0], [1.125, 0, 0], [2.3125, 0, 0]])
    (nearest,) = structure_features(shared)
    np.testing.assert_allclose(nearest["d_OH"], [1.125])
    np.testing.assert_allclose(nearest["hbond"], [[2.3125, 180]])
    (every,) = structure_features(shared, StructureSettings(hydrogens="all"))
    np.testing.assert_allclose(np.sort(every["d_OH"]), [1.125, 1.1875])
    assert len(every["hbond"]) == 2
    # A donor must hold its hydrogen closer than the cutoff, not at it.
    (strict,) = structure_features(shared, StructureSettings(hydrogens="all", donor_cutoff=1.1875))
    assert len(strict["hbond"]) == 1


def test_acceptors():
    # A forked bond: 1.9 and 2.2 Å from the hydrogen, 130° both.
    turn = np.radians(50)
    fork = [[0.97 + r * np.cos(turn), s * r * np.sin(turn), 0] for r, s in ((2.2, 1), (1.9, -1))]
    atoms = ase.Atoms("OHON", positions=[[0, 0, 0], [0.97, 0, 0], *fork])
    assert len(structure_features(atoms, StructureSettings(acceptor="all"))[0]["hbond"]) == 2
    (got,) = structure_features(atoms)
    np.testing.assert_allclose(got["hbond"], [[np.linalg.norm(fork[1]), 130]])
    (oxygen,) = structure_features(atoms, StructureSettings(acceptors=("O",)))
    np.testing.assert_allclose(oxygen["hbond"], [[np.linalg.norm(fork[0]), 130]])
    assert len(structure_features(atoms, StructureSettings(donors=("N",)))[0]["hbond"]) == 0
