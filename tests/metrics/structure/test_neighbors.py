"""Pairs of atoms and their angles."""

import ase
import numpy as np
import pytest
from ase.neighborlist import neighbor_list

from torch_afm.metrics.structure.neighbors import angle, neighbors, wrap


@pytest.mark.parametrize("pbc", [(0, 0, 0), (1, 1, 0), (0, 0, 1), (1, 1, 1)])
@pytest.mark.parametrize("cutoff", [2.0, 7.0])
def test_pairs_equal_ase(pbc, cutoff):
    rng = np.random.default_rng(3)
    cell = np.array([[6.0, 0.5, 0], [2.5, 5.0, 0.3], [-1.0, 0.7, 4.5]])  # smaller than the longer cutoff
    pbc = np.array(pbc, dtype=bool)
    pos = wrap(rng.uniform(-1, 2, (40, 3)) @ cell, cell, pbc)
    atoms = ase.Atoms("O40", positions=pos, cell=cell, pbc=pbc)
    i, j, d, vector = neighbor_list("ijdD", atoms, cutoff)
    centers, others = np.arange(0, 30), np.arange(10, 40)
    keep = np.isin(i, centers) & np.isin(j, others)
    got = neighbors(pos, centers, others, cutoff, cell, pbc)
    expected = np.column_stack([i, j, d, vector])[keep]
    found = np.column_stack([centers[got.center], got.other, got.distance, got.vector])
    assert len(found) == len(expected) > 10
    order = [rows[np.lexsort(rows.round(6).T[::-1])] for rows in (found, expected)]
    np.testing.assert_allclose(*order, atol=1e-9)
    # Sorted by center and distance, and found again through start.
    assert (np.diff(got.center * 100 + got.distance) >= 0).all()
    for c in range(len(centers)):
        assert (got.center[got.start[c] : got.start[c + 1]] == c).all()


def test_cutoff_is_included():
    pos = np.array([[0.0, 0, 0], [3.5, 0, 0]])
    pairs = neighbors(pos, np.arange(2), np.arange(2), 3.5, np.eye(3), np.zeros(3, dtype=bool))
    np.testing.assert_array_equal(pairs.distance, [3.5, 3.5])


def test_twos_join_and_keep():
    # One center with three neighbors, one with none, one with two.
    pos = np.array(
        [[0, 0, 0], [50, 0, 0], [90, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3], [91, 0, 0], [92, 0, 0.0]]
    )
    pairs = neighbors(pos, np.arange(3), np.arange(3, 8), 4.0, np.eye(3), np.zeros(3, dtype=bool))
    assert pairs.count.tolist() == [3, 0, 2]
    first, second = pairs.twos()
    assert list(zip(pairs.other[first], pairs.other[second], strict=True)) == [(3, 4), (3, 5), (4, 5), (6, 7)]
    entry, row = pairs.join(np.array([2, 1, 0]))
    assert list(zip(entry, pairs.other[row], strict=True)) == [(0, 6), (0, 7), (2, 3), (2, 4), (2, 5)]
    assert pairs.keep(pairs.distance > 1.5).count.tolist() == [2, 0, 1]


def test_angle():
    u, v = np.random.default_rng(0).normal(size=(2, 100, 3))
    cosine = (u * v).sum(axis=1) / np.linalg.norm(u, axis=1) / np.linalg.norm(v, axis=1)
    np.testing.assert_allclose(angle(u, v), np.degrees(np.arccos(cosine)), atol=1e-9)


def test_small_and_large_angles_are_accurate():
    # arccos of a cosine is wrong from the eighth digit on here.
    tilt = np.array([1e-9, 1e-5])
    u, v = np.tile([1.0, 0, 0], (2, 1)), np.stack([np.cos(tilt), np.sin(tilt), 0 * tilt], axis=1)
    np.testing.assert_allclose(angle(u, 7 * v), np.degrees(tilt), rtol=1e-6)
    np.testing.assert_allclose(180 - angle(u, -v), np.degrees(tilt), rtol=1e-3)
