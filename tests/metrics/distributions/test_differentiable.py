"""Wasserstein distance with gradients."""

import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from torch_afm.metrics.distributions import differentiable_wasserstein
from torch_afm.utils import InputError

_VALUES = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=8)


@settings(max_examples=30, deadline=None)
@given(_VALUES, _VALUES)
def test_values_are_scipys_with_ties_and_single_values_too(x, y):
    found = differentiable_wasserstein(torch.tensor(x).double(), torch.tensor(y).double())
    assert float(found) == pytest.approx(wasserstein_distance(x, y), abs=1e-12)


def test_gradients_are_finite_differences_and_pots():
    torch.manual_seed(0)
    x = torch.randn(2, 5, dtype=torch.float64, requires_grad=True)
    y = torch.randn(2, 8, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(differentiable_wasserstein, (x, y))
    ours = torch.autograd.grad(differentiable_wasserstein(x, y).sum(), x)[0]
    theirs = torch.autograd.grad(ot.wasserstein_1d(x.T, y.T, p=1).sum(), x)[0]
    torch.testing.assert_close(ours, theirs)


def test_descent_moves_a_sample_onto_another():
    torch.manual_seed(0)
    target = torch.randn(40) * 0.5 + 2
    x = torch.randn(30).requires_grad_()
    optimizer = torch.optim.SGD([x], lr=1.0)
    for _ in range(200):
        optimizer.zero_grad()
        differentiable_wasserstein(x, target).backward()
        optimizer.step()
    assert wasserstein_distance(x.detach(), target) < 0.05


#: What is refused.
REFUSED = [
    (torch.tensor([0.0, torch.nan]), torch.ones(2), "x"),
    (torch.ones(2), torch.ones(0), "y"),
    (torch.ones(2, dtype=torch.long), torch.ones(2), "x"),
    (torch.tensor(1.0), torch.ones(2), "x"),
    (torch.ones(3, 2), torch.ones(2, 2), "y"),
]


def test_bad_input():
    for x, y, name in REFUSED:
        with pytest.raises(InputError, match=f"^{name}: "):
            differentiable_wasserstein(x, y)
