import numpy as np
import pytest
import torch
import torch_geometric.typing
from torch import Tensor

from torch_afm.nn import RecurrentRelationalConv

SCATTER = [False] + [True] * torch_geometric.typing.WITH_TORCH_SCATTER


def graph(num_nodes: int = 6, channels: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(num_nodes, channels, generator=generator, dtype=torch.float64)
    pairs = torch.combinations(torch.arange(num_nodes - 1)).T  # the last node has no neighbor
    pairs = pairs[:, torch.rand(pairs.size(1), generator=generator) < 0.6]
    return x, torch.cat([pairs, pairs.flip(0)], dim=1)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def thesis(conv: RecurrentRelationalConv, x: Tensor, edge_index: Tensor) -> np.ndarray:
    """Eqs. 3.22 to 3.27, node by node."""
    p = {name: value.detach().numpy() for name, value in conv.named_parameters()}
    h_old = x.numpy()
    h_new = np.empty_like(h_old)
    for j in range(len(h_old)):
        m = np.zeros(h_old.shape[1])
        for sender, receiver in edge_index.T.tolist():
            if receiver == j:
                hidden = (
                    p["mlp.lins.0.weight"] @ np.concatenate([h_old[sender], h_old[j]]) + p["mlp.lins.0.bias"]
                )
                m += p["mlp.lins.1.weight"] @ np.maximum(hidden, 0) + p["mlp.lins.1.bias"]
        w_ir, w_iz, w_ih = np.split(p["rnn.weight_ih"], 3)
        w_hr, w_hz, w_hh = np.split(p["rnn.weight_hh"], 3)
        b_ir, b_iz, b_ih = np.split(p["rnn.bias_ih"], 3)
        b_hr, b_hz, b_hh = np.split(p["rnn.bias_hh"], 3)
        r = sigmoid(w_ir @ m + b_ir + w_hr @ h_old[j] + b_hr)
        z = sigmoid(w_iz @ m + b_iz + w_hz @ h_old[j] + b_hz)
        candidate = np.tanh(w_ih @ m + b_ih + r * (w_hh @ h_old[j] + b_hh))
        h_new[j] = (1 - z) * candidate + z * h_old[j]
    return h_new


def test_repr_and_parameters():
    conv = RecurrentRelationalConv(20, message_channels=(64,))
    assert str(conv) == "RecurrentRelationalConv(20, message_channels=(64,))"
    assert sum(p.numel() for p in conv.parameters()) == (40 * 64 + 64) + (64 * 20 + 20) + 2 * 60 * 21


@pytest.mark.parametrize("scatter", SCATTER)
def test_thesis_equations(scatter, monkeypatch):
    monkeypatch.setattr(torch_geometric.typing, "WITH_TORCH_SCATTER", scatter)
    x, edge_index = graph()
    conv = RecurrentRelationalConv(4, message_channels=(7,)).double()
    np.testing.assert_allclose(
        conv(x, edge_index).detach().numpy(), thesis(conv, x, edge_index), rtol=0, atol=1e-13
    )


def test_direction_of_messages():
    x, _ = graph()
    conv = RecurrentRelationalConv(4).double()
    out, alone = conv(x, torch.tensor([[0], [1]])), conv(x, torch.empty(2, 0, dtype=torch.long))
    changed = (out - alone).abs().amax(dim=1) > 1e-6
    assert changed.tolist() == [False, True, False, False, False, False]


def test_permutations():
    x, edge_index = graph()
    conv = RecurrentRelationalConv(4).double()
    out = conv(x, edge_index)
    order = torch.randperm(edge_index.size(1), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(conv(x, edge_index[:, order]), out, rtol=0, atol=1e-14)
    perm = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(conv(x[perm], perm.argsort()[edge_index]), out[perm], rtol=0, atol=1e-14)


def test_no_nodes():
    conv = RecurrentRelationalConv(4)
    assert conv(torch.empty(0, 4), torch.empty(2, 0, dtype=torch.long)).shape == (0, 4)


def test_edge_features_are_part_of_the_message():
    x, edge_index = graph()
    conv = RecurrentRelationalConv(4, (7,), edge_channels=3).double()
    assert str(conv) == "RecurrentRelationalConv(4, message_channels=(7,), edge_channels=3)"
    edge_attr = torch.randn(edge_index.size(1), 3, dtype=torch.float64)
    messages = torch.zeros_like(x)
    for (sender, receiver), features in zip(edge_index.T.tolist(), edge_attr, strict=True):
        messages[receiver] += conv.mlp(torch.cat([x[sender], x[receiver], features])[None])[0]
    torch.testing.assert_close(conv(x, edge_index, edge_attr), conv.rnn(messages, x))
