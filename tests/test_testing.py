"""The molecules and assertions that tests use."""

import pytest
import torch

from torch_afm.data import covalent_bonds
from torch_afm.testing import assert_same_graph, benzene, random_graph, water


def test_water_is_that_of_tip3p():
    data = water()
    arms = data.pos[1:] - data.pos[0]
    assert torch.allclose(arms.norm(dim=1), torch.full((2,), 0.9572))
    cosine = torch.nn.functional.cosine_similarity(arms[0], arms[1], dim=0)
    assert float(torch.rad2deg(cosine.acos())) == pytest.approx(104.52, abs=1e-2)
    assert float(data.charge.sum()) == pytest.approx(0, abs=1e-6)
    assert torch.equal(data.edge_index, covalent_bonds(data.z, data.pos))


def test_benzene_is_a_flat_hexagon():
    data = benzene()
    carbon, hydrogen = data.pos[:6], data.pos[6:]
    assert torch.allclose((carbon - carbon.roll(1, 0)).norm(dim=1), torch.full((6,), 1.397))
    assert torch.allclose((hydrogen - carbon).norm(dim=1), torch.full((6,), 1.084))
    assert (data.pos[:, 2] == 0).all() and data.pos.mean(0).abs().max() < 1e-6
    assert data.edge_index.shape == (2, 24) and float(data.charge.sum()) == pytest.approx(0, abs=1e-6)


def test_random_graphs_follow_from_their_seed():
    assert_same_graph(random_graph(9, seed=1), random_graph(9, seed=1))
    with pytest.raises(AssertionError):
        assert_same_graph(random_graph(9, seed=1), random_graph(9, seed=2))
    edges = random_graph(20).edge_index
    assert {tuple(e) for e in edges.t().tolist()} == {tuple(e) for e in edges.flip(0).t().tolist()}
    assert random_graph(0).z.numel() == 0


def test_graphs_that_differ_are_told_apart():
    data = water()
    turned = water()
    turned.edge_index = data.edge_index[:, [3, 1, 0, 2]]
    assert_same_graph(turned, data)
    near = water()
    near.pos = data.pos + 1e-4
    assert_same_graph(near, data, atol=2e-4)
    for change in (
        {"pos": data.pos + 1e-4},
        {"z": data.z.int()},
        {"charge": data.charge[:2]},
        {"edge_index": data.edge_index[:, :2]},
        {"name": "water"},
    ):
        other = water()
        for key, value in change.items():
            other[key] = value
        with pytest.raises(AssertionError, match=next(iter(change))):
            assert_same_graph(other, data)
