import ase
import ase.build
import numpy as np
import pytest

from torch_afm.metrics.structure import StructureSettings, structure_features


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
