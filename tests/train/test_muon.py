"""Muon against the singular value decomposition, and Adam."""

import pytest
import torch

from torch_afm.train.muon import MIN_SIDE, Muon, is_matrix, orthogonalize


@pytest.mark.parametrize("shape", [(32, 64), (96, 40)])
def test_singular_values_come_near_to_one_and_vectors_stay(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    found = u.T @ orthogonalize(matrix) @ v.T
    assert ((found.diagonal() > 0.6) & (found.diagonal() < 1.3)).all()
    assert (found - found.diagonal().diag()).abs().max() < 0.1


def test_kernels_are_matrices_and_the_rest_is_not():
    conv = torch.nn.Conv2d(40, 48, 3)
    assert is_matrix(conv.weight) and not is_matrix(conv.bias)
    assert not is_matrix(torch.zeros(MIN_SIDE - 1, 500)) and is_matrix(torch.zeros(MIN_SIDE, MIN_SIDE))


def test_an_update_is_the_orthogonal_momentum():
    torch.manual_seed(1)
    weight = torch.nn.Parameter(torch.randn(64, 32, 2, 2))
    before, optimizer = weight.detach().clone(), Muon([weight], muon_lr=0.1, momentum=0.5)
    gradients = torch.randn(2, *weight.shape)
    momentum = torch.zeros_like(weight)
    for gradient in gradients:
        weight.grad = gradient
        optimizer.step()
        momentum = 0.5 * momentum + 0.5 * gradient
        expected = orthogonalize((0.5 * gradient + 0.5 * momentum).flatten(1)).view_as(weight)
        torch.testing.assert_close(before - weight, 0.1 * expected)
        before = weight.detach().clone()
    # Twice as many rows as columns: longer by the root of 2.
    tall = torch.nn.Parameter(torch.zeros(64, 32))
    tall.grad = torch.randn(64, 32)
    Muon([tall], muon_lr=0.1).step()
    assert torch.linalg.matrix_norm(tall.detach()) == pytest.approx(0.1 * (2 * 32) ** 0.5, rel=0.2)


def test_other_parameters_are_updated_by_adam():
    torch.manual_seed(2)
    ours, theirs = (torch.nn.Linear(8, 4) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    big = torch.nn.Parameter(torch.randn(40, 40))
    optimizers = Muon([*ours.parameters(), big], lr=0.01), torch.optim.Adam(theirs.parameters(), lr=0.01)
    for _ in range(3):
        x = torch.randn(16, 8)
        for network, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            network(x).square().sum().backward()
            optimizer.step()
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())


def test_a_state_goes_on_where_it_was():
    def run(steps, optimizer, weights):
        for step in steps:
            torch.manual_seed(step)
            for weight in weights:
                weight.grad = torch.randn_like(weight)
            optimizer.step()

    weights = [[torch.nn.Parameter(torch.ones(40, 40)), torch.nn.Parameter(torch.ones(3))] for _ in range(2)]
    whole, first = (Muon(w) for w in weights)
    run(range(4), whole, weights[0])
    run(range(2), first, weights[1])
    second = Muon(weights[1])
    second.load_state_dict(first.state_dict())
    run(range(2, 4), second, weights[1])
    for a, b in zip(*weights, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_a_closure_sees_all_parameters():
    weights = [torch.nn.Parameter(torch.ones(40, 40)), torch.nn.Parameter(torch.ones(3))]
    optimizer, seen = Muon(weights), []

    def closure():
        optimizer.zero_grad()
        loss = weights[0].diagonal().square().sum() + weights[1].square().sum()
        loss.backward()
        seen.append([float(weights[0].grad[0, 0]), float(weights[1].grad[0])])
        return loss

    first, second = (float(optimizer.step(closure).detach()) for _ in range(2))
    assert first == pytest.approx(43) and second < first
    # Gradients are of the last loss alone.
    assert seen[0] == [2.0, 2.0] and seen[1][0] < 2.0 and seen[1][1] < 2.0


def test_a_network_learns_with_it():
    torch.manual_seed(3)
    x, y = torch.randn(64, 40), torch.randn(64, 1)
    network = torch.nn.Sequential(torch.nn.Linear(40, 40), torch.nn.ReLU(), torch.nn.Linear(40, 1))
    optimizer = Muon(network.parameters(), lr=0.01)
    losses = []
    for _ in range(40):
        loss = (network(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
