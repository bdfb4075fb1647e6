"""Structures with known answers, and the published conventions written out as plain loops."""

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


def _naive(atoms, top=4.85):
    """Features in the conventions of arXiv:2509.02240, one loop for one condition."""

    def angle(u, v):
        return np.degrees(np.arccos(np.clip(u @ v / np.linalg.norm(u) / np.linalg.norm(v), -1, 1)))

    z, pos = atoms.numbers, atoms.positions
    oxygen, hydrogen, gold = pos[z == 8], pos[z == 1], pos[z == 79]
    layer = [not len(gold) or o[2] - gold[:, 2].max() > top for o in oxygen]
    values = {name: [] for name in ("d_OO", "d_OH", "HOH", "theta_ZOH", "hbond", "order")}
    for i, o in enumerate(oxygen):
        if not layer[i]:
            continue
        others = [j for j in range(len(oxygen)) if j != i and np.linalg.norm(oxygen[j] - o) <= 3.5]
        values["d_OO"] += [np.linalg.norm(oxygen[j] - o) for j in others]
        bonded = [h for h in hydrogen if np.linalg.norm(h - o) <= 1.25]
        values["d_OH"] += [np.linalg.norm(h - o) for h in bonded]
        for k in range(len(bonded)):
            values["HOH"] += [angle(bonded[k] - o, bonded[m] - o) for m in range(k)]
        for h in bonded:
            if np.linalg.norm(h - o) < 1.2:
                for j in others:
                    if (bend := angle(o - h, oxygen[j] - h)) >= 120:
                        values["hbond"].append((np.linalg.norm(oxygen[j] - o), bend))
            if len(bonded) == 2 and not any(layer[j] and angle(h - o, oxygen[j] - o) > 120 for j in others):
                values["theta_ZOH"].append(angle(h - o, np.array([0, 0, 1])))
        nearest = sorted(others, key=lambda j: np.linalg.norm(oxygen[j] - o))[:4]
        if len(nearest) == 4:
            v = [oxygen[j] - o for j in nearest]
            r = [np.linalg.norm(u) for u in v]
            mean = sum(r) / 4
            s_k = sum((x - mean) ** 2 for x in r) / (4 * mean**2) / 3
            s_g = sum((v[j] @ v[k] / r[j] / r[k] + 1 / 3) ** 2 for k in range(4) for j in range(k)) * (3 / 8)
            values["order"].append((s_k, s_g))
    return {
        name: np.array(v, dtype=float).reshape((-1, 2) if name in ("hbond", "order") else -1)
        for name, v in values.items()
    }


def _sorted(values):
    """Rows in an order of their own, to compare sets of values."""
    return values[np.lexsort(values.T)] if values.ndim == 2 else np.sort(values)


@pytest.fixture(scope="session")
def ice():
    return _ice((3, 3, 2), seed=0)


@pytest.fixture(scope="session")
def naive():
    return _naive


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
