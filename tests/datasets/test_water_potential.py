import ase
import numpy as np
import pytest
from ase.build import fcc111

from torch_afm.datasets import relax_water, water_bilayer
from torch_afm.datasets.water_potential import WaterPotential
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt

CELL = np.diag([40.0, 40.0, 40.0])


def molecule(place=(0.0, 0.0, 0.0), turn=0.0):
    """In the plane, its bisector along x before it is turned."""
    half = np.radians(105) / 2
    arms = 0.97 * np.array([[np.cos(half), np.sin(half), 0], [np.cos(half), -np.sin(half), 0]])
    c, s = np.cos(turn), np.sin(turn)
    arms = arms @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])
    return np.array(place) + np.stack([np.zeros(3), *arms])


def test_forces_are_minus_the_gradient_of_the_energy():
    slab = water_bilayer(1, size=6, second=0.5)
    pos = slab.positions[slab.get_tags() == 0].reshape(-1, 3, 3)
    potential = WaterPotential(slab.cell.array, fcc111("Au", (1, 1, 1)).cell.array[:2, :2])
    potential.list_pairs(pos)
    rng = np.random.default_rng(0)
    pos = pos + rng.normal(0, 0.02, pos.shape)
    forces = potential(pos)[1]
    for _ in range(3):
        direction = rng.normal(size=pos.shape)
        up, down = (potential(pos + step * direction)[0] for step in (1e-5, -1e-5))
        assert (up - down) / 2e-5 == pytest.approx(-(forces * direction).sum(), rel=1e-5)


def test_two_molecules_far_apart_are_dipoles():
    """Written out site by site, with the charges of TIP4P/2005."""
    first, second = molecule(), molecule((6.0, 1.0, 0.5), 0.4)
    pos = np.stack([first, second])
    potential = WaterPotential(CELL)
    alone = sum(WaterPotential(CELL)(one[None])[0] for one in pos)
    potential.list_pairs(pos)
    rc, energy = 9.0, 0.0
    sites = [
        [((1 - 2 * 0.13194) * o + 0.13194 * (h + k), -1.1128), (h, 0.5564), (k, 0.5564)] for o, h, k in pos
    ]
    for x, q in sites[0]:
        for y, p in sites[1]:
            r = np.linalg.norm(x - y)
            energy += 14.399645 * q * p * (1 / r - 1 / rc + (r - rc) / rc**2)
    r = np.linalg.norm(first[0] - second[0])
    energy += 4 * 0.774908 / 96.485332 * ((3.1644 / r) ** 12 - (3.1644 / r) ** 6)
    assert potential(pos)[0] - alone == pytest.approx(energy, rel=1e-9)


def relaxed(*molecules):
    atoms = ase.Atoms("OHH" * len(molecules), np.concatenate(molecules), cell=CELL, pbc=True)
    return relax_water(atoms).positions.reshape(-1, 3, 3)


def test_the_dimer_is_that_of_the_model():
    """TIP4P/2005's has an oxygen distance of 2.77 Å; a hydrogen lies between, nearly on the line."""
    donor, acceptor = relaxed(molecule((0.0, 0.0, 0.0), np.radians(52)), molecule((3.0, 0.0, 0.3), 0.2))
    vector = acceptor[0] - donor[0]
    assert np.linalg.norm(vector) == pytest.approx(2.77, abs=0.06)
    arms = donor[1:] - donor[0]
    cosines = arms @ vector / np.linalg.norm(arms, axis=1) / np.linalg.norm(vector)
    assert cosines.max() > np.cos(np.radians(8))


def test_one_molecule_takes_the_length_and_angle_of_the_model():
    (one,) = relaxed(molecule())
    arms = one[1:] - one[0]
    lengths = np.linalg.norm(arms, axis=1)
    assert lengths == pytest.approx(0.967, abs=1e-3)
    assert np.degrees(np.arccos(arms[0] @ arms[1] / np.prod(lengths))) == pytest.approx(107.4, abs=0.1)


def test_one_molecule_on_the_metal_comes_to_lie_on_top_of_an_atom():
    atoms = ase.Atoms("OHH", molecule((0.7, 0.5, 3.8)), cell=CELL, pbc=(True, True, False))
    lattice = fcc111("Au", (1, 1, 1)).cell.array[:2, :2]
    place = relax_water(atoms, lattice).positions[0]
    steps = place[:2] @ np.linalg.inv(lattice)
    assert np.abs(steps - np.rint(steps)).max() < 0.05 and place[2] == pytest.approx(3.2, abs=0.1)


def test_relaxed_surfaces_keep_metal_charges_and_bonds_and_lose_energy():
    slab = water_bilayer(1, size=6)
    lattice = slab.cell.array[:2, :2] / 6
    water = slab.get_tags() == 0
    annealed, again = (relax_water(slab, lattice, 200.0, 0.05, 3) for _ in range(2))
    assert np.array_equal(annealed.positions, again.positions)
    energies = []
    for one in (slab, relax_water(slab, lattice), annealed):
        assert np.array_equal(one.positions[~water], slab.positions[~water])
        assert np.array_equal(one.get_initial_charges(), slab.get_initial_charges())
        pos = one.positions[water].reshape(-1, 3, 3)
        potential = WaterPotential(slab.cell.array, lattice)
        potential.list_pairs(pos)
        energies.append(potential(pos)[0] / len(pos))
    assert energies[1] < energies[0] - 0.05 and energies[2] < energies[0] - 0.05


def test_water_in_another_order():
    with pytest.raises(InputError, match="atoms: expected molecules of O, H, H"):
        relax_water(ase.Atoms("HOH", molecule(), cell=CELL, pbc=True))
