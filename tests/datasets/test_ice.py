import numpy as np
import pytest

from torch_afm.datasets.ice import donors
from torch_afm.utils import InputError


def _balance(bonds, n, gives):
    given, taken = np.zeros((2, n), dtype=int)
    for (a, b), first in zip(bonds, gives, strict=True):
        given[a if first else b] += 1
        taken[b if first else a] += 1
    return given, taken


def _ring(n):
    return [(i, (i + 1) % n) for i in range(n)]


def test_a_ring_of_molecules_gives_all_one_way():
    gives = [donors(_ring(6), 6, np.random.default_rng(seed)) for seed in range(20)]
    assert all(len(set(g.tolist())) == 1 for g in gives)
    # And either way.
    assert {bool(g[0]) for g in gives} == {True, False}


@pytest.mark.parametrize("seed", range(20))
def test_any_graph_of_up_to_four_neighbors_is_balanced(seed):
    rng = np.random.default_rng(seed)
    n, bonds, degree = 30, set(), np.zeros(30, dtype=int)
    for a, b in rng.integers(0, n, (200, 2)).tolist():
        if a != b and max(degree[a], degree[b]) < 4 and (b, a) not in bonds and (a, b) not in bonds:
            bonds.add((a, b))
            degree[[a, b]] += 1
    bonds = sorted(bonds)
    given, taken = _balance(bonds, n, donors(bonds, n, rng))
    assert (given + taken == degree).all() and (abs(given - taken) <= 1).all()
    assert given.max() <= 2 and taken.max() <= 2


def test_two_bonds_between_the_same_molecules():
    # As in a cell of two molecules, each the other's neighbor through two sides.
    given, taken = _balance([(0, 1), (0, 1)], 2, donors([(0, 1), (0, 1)], 2, np.random.default_rng(0)))
    assert given.tolist() == taken.tolist() == [1, 1]


def test_no_bonds():
    assert donors([], 3, np.random.default_rng(0)).shape == (0,)


def test_bad_input():
    star = [(0, i) for i in range(1, 6)]
    with pytest.raises(InputError, match="at most 4 neighbors of each molecule, got 5"):
        donors(star, 6, np.random.default_rng(0))
    with pytest.raises(InputError, match="numbers from 0 to 1, got 0 to 2"):
        donors([(0, 2)], 2, np.random.default_rng(0))
