import pytest
import torch

from torch_afm.ppm.forcefield import Atoms, surface_force
from torch_afm.ppm.relaxation import Springs, newton_step, relax, spring_force, spring_hessian


def springs(dtype=torch.float64) -> Springs:
    free = torch.tensor([0.3, -0.2, -((16 - 0.13) ** 0.5)], dtype=torch.float64)
    values = ([0.016, 0.014, 0.003], [1.9], free.tolist())
    return Springs(*(torch.tensor(v, dtype=dtype) for v in values))


def atoms(radius: float = 3.5, depth: float = 0.01) -> Atoms:
    one = torch.ones(1, dtype=torch.float64)
    nothing = torch.zeros(0, dtype=torch.float64)
    return Atoms(torch.zeros(1, 3, dtype=torch.float64), 0 * one, radius * one, depth * one, nothing, nothing)


def test_spring_force_by_its_definition():
    s, u = springs(), torch.tensor([[0.2, -0.1, 0.05]], dtype=torch.float64)
    d = s.free + u
    expected = -s.stiffness * u - s.radial * (d.norm() - 4.0) * d / d.norm()
    torch.testing.assert_close(spring_force(u, s), expected, rtol=1e-10, atol=1e-14)


def test_spring_force_keeps_its_digits_in_float32():
    u = torch.tensor([[1e-4, 2e-4, -1e-5]])
    exact = spring_force(u.double(), springs())
    torch.testing.assert_close(spring_force(u, springs(torch.float32)).double(), exact, rtol=1e-4, atol=0)


def test_spring_hessian_is_minus_the_jacobian():
    s, u = springs(), torch.tensor([0.2, -0.1, 0.05], dtype=torch.float64)
    jacobian = torch.func.jacrev(lambda v: spring_force(v[None], s)[0])(u)
    torch.testing.assert_close(spring_hessian(u[None], s)[0], -jacobian)


def test_newton_step_solves_where_positive_and_descends_elsewhere():
    rng = torch.Generator().manual_seed(0)
    root = torch.randn(20, 3, 3, generator=rng, dtype=torch.float64)
    force = torch.randn(20, 3, generator=rng, dtype=torch.float64)
    hessian = root @ root.mT + 0.1 * torch.eye(3)
    torch.testing.assert_close(newton_step(force, hessian), torch.linalg.solve(hessian, force))
    hessian[:, 0, 0] -= 20
    assert (newton_step(force, hessian) * force).sum(1).gt(0).all()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_relaxed_probe_feels_no_force(dtype, tolerance):
    s = springs(dtype)
    a = Atoms(*(v.to(dtype) for v in atoms()[:6]))
    x = torch.linspace(-3, 3, 9, dtype=dtype)
    free = torch.stack([x, 0.3 * x, torch.full_like(x, 4.5)], 1)
    heights = torch.arange(0, -2, -0.1, dtype=dtype)
    u, converged = relax(free, heights, a, s)
    assert converged.all() and converged.shape == (20, 9)
    assert u.shape == (20, 9, 3)
    for height, displaced in zip(heights, u, strict=True):
        probe = free + displaced + height * torch.tensor([0, 0, 1])
        total = surface_force(probe, a) + spring_force(displaced, s)
        assert total.norm(dim=1).max() < tolerance


def test_relaxation_ends_in_the_basin_of_the_start():
    # Pushed down beside an atom, the probe slides off on its own side and never crosses the atom.
    x = torch.tensor([-0.2, 0.2], dtype=torch.float64)
    free = torch.stack([x - 0.3, torch.zeros_like(x), torch.full_like(x, 4.0)], 1)
    s = springs()._replace(free=torch.tensor([0.0, 0.0, -4.0], dtype=torch.float64))
    u, _ = relax(free + torch.tensor([0.3, 0, 0]), torch.arange(0, -2.5, -0.1).double(), atoms(), s)
    assert (u[-1, :, 0] * x > 0).all()
    torch.testing.assert_close(u[-1, 0, 0], -u[-1, 1, 0])
