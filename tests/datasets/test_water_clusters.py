import numpy as np
import pytest

from torch_afm.datasets import water_clusters
from torch_afm.datasets.water_clusters import water_cluster
from torch_afm.utils import InputError


@pytest.mark.parametrize(("shape", "sizes"), [("cluster", (1, 2, 9)), ("ring", (3, 6)), ("chain", (2, 8))])
def test_molecules_hydrogen_bonds_and_ice_rules(shape, sizes):
    for n in sizes:
        for seed in range(5):
            water = water_cluster(n, shape, np.random.default_rng(seed))
            assert water.numbers.tolist() == [8, 1, 1] * n
            assert water.get_initial_charges().sum() == pytest.approx(0)
            distance = water.get_all_distances()
            oxygen = np.arange(0, 3 * n, 3)
            for i in oxygen:
                assert (np.abs(distance[i, i + 1 : i + 3] - 0.98) < 0.021).all()
                assert 103.9 < water.get_angle(i + 1, i, i + 2) < 107.1
            between = distance[np.ix_(oxygen, oxygen)] + 9 * np.eye(n)
            bonds = between < 3.2
            assert between.min() > 2.6 and ((between < 3.05) | (between > 3.25) | ~bonds).all()
            expected = {"ring": n, "chain": n - 1}.get(shape)
            assert expected is None or bonds.sum() == 2 * expected
            # Of every hydrogen bond, one of the two has a hydrogen on it.
            for a, b in zip(*np.nonzero(np.triu(bonds)), strict=True):
                pair = [(3 * a, 3 * b), (3 * b, 3 * a)]
                assert sum(distance[i + 1 : i + 3, j].min() < 2.3 for i, j in pair) >= 1
            assert np.ptp(water.positions[oxygen, 2]) <= 1.01


def test_draws_come_from_the_generator_alone():
    one, other = (water_cluster(5, "cluster", np.random.default_rng(3)).positions for _ in range(2))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, water_cluster(5, "cluster", np.random.default_rng(4)).positions)


def test_no_molecule_has_five_neighbors(monkeypatch):
    """Five in a ring of 2.7 Å, and a place in its middle: another one is taken."""
    angles = 2 * np.pi * np.arange(5) / 5
    ring = 2.7 * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    places = iter([*ring[1:], np.zeros(3), ring[4] + [2.8, 0.0, 0.0]])

    class Rng:
        def choice(self, options):
            return options[-1]

        def uniform(self, *_):
            return 0.0

    at = [ring[0]]

    def step(*_):
        place = next(places)
        at.append(place)
        return place - (at[-2] if len(at) < 7 else at[-3])

    monkeypatch.setattr(water_clusters, "_step", step)
    monkeypatch.setattr(water_clusters, "_RISE", 1.0)
    pos, bonds = water_clusters._cluster(6, Rng())
    assert np.bincount(bonds.ravel()).max() <= 4
    np.testing.assert_allclose(pos[-1], ring[4] + [2.8, 0.0, 0.0] - ring[0], atol=1e-12)


def test_bad_input():
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="shape: expected"):
        water_cluster(3, "cube", rng)
    with pytest.raises(InputError, match="n: expected at least 1 molecule, and 3 to 6 in a ring, got 2"):
        water_cluster(2, "ring", rng)


@pytest.mark.parametrize("seed", [787, 1024, 1472])
def test_rings_that_need_many_draws(seed):
    """One draw of eleven succeeds, and a training that draws for days may not end at a bad run of them."""
    assert len(water_cluster(3, "ring", np.random.default_rng(seed))) == 9
