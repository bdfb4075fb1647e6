import pytest
import torch

from torch_afm.nn import RelationalHead


def head():
    torch.manual_seed(0)
    return RelationalHead(6, channels=8, cutoff=2.0).eval()


def test_repr():
    assert repr(head()) == "RelationalHead(6, channels=8, cutoff=2.0)"


def test_pairs_are_those_within_the_cutoff_of_one_graph():
    pos = torch.tensor([[0.0, 0, 0], [1, 0, 0], [2.5, 0, 0], [0, 0, 0], [0, 1.5, 0]])
    out = head()(torch.randn(5, 6), pos, torch.tensor([0, 0, 0, 1, 1]))
    assert out.pairs.T.tolist() == [[0, 1], [1, 2], [3, 4]]
    assert out.bond.shape == (3,) and out.move.shape == out.move_log_var.shape == (5, 3)
    assert out.real.shape == (5,)


def test_only_distances_count():
    torch.manual_seed(1)
    x, pos, batch = torch.randn(5, 6), torch.randn(5, 3), torch.zeros(5, dtype=torch.long)
    turn = torch.linalg.qr(torch.randn(3, 3))[0]
    a, b = head()(x, pos, batch), head()(x, pos @ turn + 3.0, batch)
    torch.testing.assert_close(a.bond, b.bond, atol=1e-4, rtol=1e-4)
    order = torch.tensor([3, 1, 4, 0, 2])
    c = head()(x[order], pos[order], batch)
    torch.testing.assert_close(a.move[order], c.move)
    matrices = []
    for out in (a, c):
        matrix = torch.zeros(5, 5)
        matrix[tuple(out.pairs)] = out.bond
        matrices.append(matrix + matrix.T)
    torch.testing.assert_close(matrices[0][order][:, order], matrices[1])


@pytest.mark.parametrize("n", [0, 1])
def test_no_pairs(n):
    out = head()(torch.randn(n, 6), torch.randn(n, 3), torch.zeros(n, dtype=torch.long))
    assert out.pairs.shape == (2, 0) and out.bond.shape == (0,) and out.move.shape == (n, 3)


def test_every_parameter_learns():
    torch.manual_seed(1)
    net = RelationalHead(6, channels=8, cutoff=2.0)
    out = net(torch.randn(5, 6), torch.rand(5, 3), torch.zeros(5, dtype=torch.long))
    sum(part.square().sum() for part in out[1:]).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_an_atom_hears_of_others_three_bonds_away():
    pos = torch.tensor([[1.5 * i, 0.0, 0.0] for i in range(6)])
    torch.manual_seed(1)
    x = torch.randn(6, 6)
    changed = x.clone()
    changed[0] += 1
    a, b = (head()(t, pos, torch.zeros(6, dtype=torch.long)).real for t in (x, changed))
    assert ((a - b).abs() > 0).tolist() == [True] * 4 + [False] * 2
