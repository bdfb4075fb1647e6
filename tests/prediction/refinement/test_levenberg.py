"""The search, on functions whose minimum is known."""

import torch

from torch_afm.prediction.refinement.levenberg import Expansion, minimize


class Rosenbrock:
    """½ |r|², r = (10 (y − x²), 1 − x): minimum 0 at (1, 1)."""

    def residual(self, p):
        return torch.stack([10 * (p[1] - p[0] ** 2), 1 - p[0]])

    def value(self, p):
        return float(self.residual(p).square().sum() / 2)

    def expand(self, p):
        jacobian = torch.autograd.functional.jacobian(self.residual, p)
        r = self.residual(p)
        return Expansion(self.value(p), jacobian.T @ r, jacobian.T @ jacobian)

    def shorten(self, step):
        return step


def test_finds_the_minimum_and_never_climbs():
    seen = []
    start = torch.tensor([-1.2, 1.0], dtype=torch.float64)
    x = minimize(Rosenbrock(), start, 60, 1e-16, lambda p, v: seen.append(v))
    torch.testing.assert_close(x, torch.ones(2, dtype=torch.float64), atol=1e-5, rtol=0)
    assert seen == sorted(seen, reverse=True)


def test_stops_where_nothing_is_gained():
    at = torch.ones(2, dtype=torch.float64)
    seen = []
    assert minimize(Rosenbrock(), at, 60, 1e-16, lambda p, v: seen.append(v)).equal(at)
    assert seen == []


def test_iterations_bound_the_steps():
    seen = []
    minimize(Rosenbrock(), torch.tensor([-1.2, 1.0]).double(), 3, 1e-16, lambda p, v: seen.append(v))
    assert len(seen) == 3
