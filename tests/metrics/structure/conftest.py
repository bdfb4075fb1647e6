"""Structures with known answers."""

from functools import cache

import ase
import ase.build
import networkx
import numpy as np
import pytest

D_OO, D_OH = 2.76, 0.98


def _ice(size, seed):
    """Ideal ice Ih: oxygens on a wurtzite lattice, hydrogens by the ice rules. A walk over every O-O line
    once leaves each O, which four lines meet, as often as it enters it: it gives two hydrogens, takes two."""
    a = D_OO * np.sqrt(8 / 3)
    oxygen = ase.build.bulk("O2", "wurtzite", a=a, c=a * np.sqrt(8 / 3), u=3 / 8).repeat(size)
    oxygen.numbers[:] = 8
    vectors = oxygen.get_all_distances(mic=True, vector=True)
    near = np.abs(np.linalg.norm(vectors, axis=-1) - D_OO) < 0.1
    assert (near.sum(axis=1) == 4).all()
    graph = networkx.from_numpy_array(near)
    hydrogens = []
    for part in networkx.connected_components(graph):
        start = sorted(part)[seed % len(part)]
        for i, j in networkx.eulerian_circuit(graph.subgraph(part), source=start):
            hydrogens.append(oxygen.positions[i] + D_OH / D_OO * vectors[i, j])
    return oxygen + ase.Atoms(f"H{len(hydrogens)}", positions=hydrogens)


def _sorted(values):
    """Rows in an order of their own, to compare sets of values."""
    return values[np.lexsort(values.T)] if values.ndim == 2 else np.sort(values)


@pytest.fixture(scope="session")
def ice():
    return _ice((3, 3, 2), seed=0)


@pytest.fixture(scope="session")
def same():
    def check(got, expected, atol=1e-9):
        assert set(expected) <= set(got)
        for name, values in expected.items():
            assert got[name].shape == values.shape, name
            np.testing.assert_allclose(_sorted(got[name]), _sorted(values), atol=atol, err_msg=name)

    return check


@pytest.fixture(scope="session")
def waters():
    """Waters of random places and directions above gold, no two O closer than 2.4 Å, in a slanted cell that
    is periodic along the surface."""

    @cache
    def made(n, seed):
        rng = np.random.default_rng(seed)
        cell = np.array([[14.0, 0, 0], [5.0, 13.0, 0], [0, 0, 25]])
        atoms = ase.Atoms("Au2", positions=[[0, 0, 0], [3, 1, 0]], cell=cell, pbc=(True, True, False))
        oxygens = ase.Atoms(cell=cell, pbc=atoms.pbc)
        while len(oxygens) < n:
            trial = oxygens + ase.Atoms("O", positions=[rng.uniform([0, 0, 0.1], [1, 1, 0.45]) @ cell])
            if len(trial) == 1 or trial.get_distances(-1, range(len(oxygens)), mic=True).min() > 2.4:
                oxygens = trial
        water = ase.build.molecule("H2O")
        for place in oxygens.positions:
            turned = water.copy()
            turned.euler_rotate(*rng.uniform(0, 360, 3))
            turned.positions += place - turned.positions[0]
            atoms += turned
        return atoms

    return lambda n=45, seed=0: made(n, seed).copy()
