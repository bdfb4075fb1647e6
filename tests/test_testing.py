"""The molecules and assertions that other tests build on."""

import math

import pytest
import torch

from torch_afm.testing import assert_same_graph, benzene, random_graph, water


def test_geometry_of_the_molecules():
    angle = water().pos[1:] / 0.9572
    assert math.degrees(math.acos(float(angle[0] @ angle[1]))) == pytest.approx(104.52, abs=1e-3)
    for molecule, bonds in ((water(), 2), (benzene(), 12)):
        assert (
            molecule.charge.sum() == pytest.approx(0, abs=1e-6) and molecule.edge_index.size(1) == 2 * bonds
        )
    lengths = (benzene().pos[benzene().edge_index[0]] - benzene().pos[benzene().edge_index[1]]).norm(dim=1)
    assert sorted({round(float(d), 3) for d in lengths}) == [1.084, 1.397]


def test_random_graphs_follow_their_seed():
    a, b = random_graph(9), random_graph(9, seed=1)
    assert_same_graph(a, random_graph(9))
    assert not torch.equal(a.pos, b.pos) and a.is_undirected() and not a.has_self_loops()


def test_other_graphs_are_told_from_each_other():
    graph = benzene()
    shuffled = graph.clone()
    shuffled.edge_index = graph.edge_index[:, torch.randperm(24)]
    assert_same_graph(shuffled, graph)
    moved = graph.clone()
    moved.pos = graph.pos + 1e-3
    assert_same_graph(moved, graph, atol=2e-3)
    bare = graph.clone()
    del bare.charge
    for other, key in ((moved, "pos"), (bare, "keys"), (water(), "z|pos|charge|edge_index")):
        with pytest.raises(AssertionError, match=f"^({key}): "):
            assert_same_graph(other, graph)
