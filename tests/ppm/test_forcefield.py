import numpy as np
import torch

from torch_afm.ppm.forcefield import Atoms, SurfaceTerms, surface_force, surface_force_hessian


def atoms() -> Atoms:
    rng = torch.Generator().manual_seed(0)
    n = 5
    return Atoms(
        3 * torch.rand(n, 3, generator=rng, dtype=torch.float64),
        torch.rand(n, generator=rng, dtype=torch.float64) - 0.5,
        3 + torch.rand(n, generator=rng, dtype=torch.float64),
        0.01 * torch.rand(n, generator=rng, dtype=torch.float64),
        torch.tensor([-10.0, 20.0, -10.0], dtype=torch.float64),
        torch.tensor([0.1, 0.0, -0.1], dtype=torch.float64),
    )


UP = np.array([0.0, 0.0, 1.0])
PROBE = torch.tensor([[1.0, 2.0, 5.5], [0.3, -1.0, 6.0]], dtype=torch.float64)


def energy(p: np.ndarray, a: Atoms) -> float:
    """Lennard-Jones and Coulomb energy, term by term."""
    total = 0.0
    for pos, q, radius, depth in zip(a.pos, a.charge, a.radius, a.depth, strict=True):
        r = np.linalg.norm(p - pos.numpy())
        total += float(depth * ((radius / r) ** 12 - 2 * (radius / r) ** 6))
        for charge, height in zip(a.tip_charges, a.tip_heights, strict=True):
            total += float(q * charge) / np.linalg.norm(p + height.numpy() * UP - pos.numpy())
    return total


def test_force_is_minus_the_gradient_of_the_energy():
    a, step = atoms(), 1e-5
    for p, force in zip(PROBE.numpy(), surface_force(PROBE, a), strict=True):
        slope = [(energy(p + e, a) - energy(p - e, a)) / (2 * step) for e in step * np.eye(3)]
        np.testing.assert_allclose(force, -np.array(slope), rtol=1e-5, atol=1e-8)


def test_hessian_is_minus_the_jacobian_of_the_force():
    a = atoms()
    jacobian = torch.func.vmap(torch.func.jacrev(lambda p: surface_force(p[None], a)[0]))(PROBE)
    force, hessian = surface_force_hessian(PROBE, a)
    torch.testing.assert_close(force, surface_force(PROBE, a))
    torch.testing.assert_close(hessian, -jacobian, rtol=1e-5, atol=1e-9)


def test_pullbacks_are_those_of_autograd():
    leaves = [v.requires_grad_() for v in atoms()[:6]]
    a = Atoms(*leaves)
    cotangent = torch.tensor([[0.3, -1.0, 0.4], [2.0, 0.1, -0.7]], dtype=torch.float64)
    inputs = [a.pos, a.charge, a.tip_charges, a.tip_heights]
    expected = torch.autograd.grad((surface_force(PROBE, a) * cotangent).sum(), inputs)
    with torch.no_grad():
        terms = SurfaceTerms.at(PROBE, a)
        pulled = terms.pull_pos(cotangent), *terms.pull_charges(cotangent, a)
    torch.testing.assert_close(pulled, expected, rtol=1e-5, atol=1e-10)


def test_probe_within_an_angstrom_of_an_atom_is_inside():
    a = atoms()
    probe = a.pos[2] + torch.tensor([[0.0, 0.6, 0.7], [0.0, 0.8, 0.7], [0.0, 0.0, 9.0]])
    a = a._replace(pos=a.pos[2:3])
    assert SurfaceTerms.at(probe, a).outside().tolist() == [False, True, True]
