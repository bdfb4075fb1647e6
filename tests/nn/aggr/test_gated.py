import numpy as np
import pytest
import torch
import torch_geometric.typing

from torch_afm.nn import GatedAggregation

SCATTER = [False] + [True] * torch_geometric.typing.WITH_TORCH_SCATTER


def test_repr_and_parameters():
    aggr = GatedAggregation(20, 32, 128)
    assert str(aggr) == "GatedAggregation(20, 128, hidden_channels=32)"
    assert sum(p.numel() for p in aggr.parameters()) == 2 * (20 * 32 + 32 + 32 * 128 + 128)


@pytest.mark.parametrize("scatter", SCATTER)
def test_thesis_equations_with_empty_graphs(scatter, monkeypatch):
    monkeypatch.setattr(torch_geometric.typing, "WITH_TORCH_SCATTER", scatter)
    aggr = GatedAggregation(3, 5, 4).double()
    x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    index = torch.tensor([1, 1, 1, 3, 4, 4])  # graphs 0, 2 and 5 are empty
    out = aggr(x, index, dim_size=6).detach().numpy()

    def mlp(name: str, v: np.ndarray) -> np.ndarray:
        p = {key: value.detach().numpy() for key, value in getattr(aggr, name).named_parameters()}
        return (
            p["lins.1.weight"] @ np.maximum(p["lins.0.weight"] @ v + p["lins.0.bias"], 0) + p["lins.1.bias"]
        )

    expected = np.zeros((6, 4))
    for v, graph in zip(x.numpy(), index.tolist(), strict=True):
        expected[graph] += mlp("mlp", v) / (1 + np.exp(-mlp("gate_mlp", v)))
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-14)
    assert (out[[0, 2, 5]] == 0).all()


def test_order_of_nodes_does_not_matter():
    aggr = GatedAggregation(3, 5, 4).double()
    x, index = torch.randn(5, 3, dtype=torch.float64), torch.tensor([0, 0, 0, 2, 2])
    perm = torch.tensor([2, 0, 1, 4, 3])
    torch.testing.assert_close(aggr(x[perm], index, dim_size=3), aggr(x, index, dim_size=3))


def test_only_empty_graphs():
    out = GatedAggregation(3, 5, 4)(torch.empty(0, 3), torch.empty(0, dtype=torch.long), dim_size=2)
    assert torch.equal(out, torch.zeros(2, 4))
