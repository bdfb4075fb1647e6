import numpy as np
import pytest
import torch

from torch_afm.ppm.forcefield import Atoms, SurfaceTerms, surface_force, surface_force_hessian


def atoms(dipoles: bool = True) -> Atoms:
    rng = torch.Generator().manual_seed(0)
    n = 5
    return Atoms(
        3 * torch.rand(n, 3, generator=rng, dtype=torch.float64),
        torch.rand(n, generator=rng, dtype=torch.float64) - 0.5,
        3 + torch.rand(n, generator=rng, dtype=torch.float64),
        0.01 * torch.rand(n, generator=rng, dtype=torch.float64),
        torch.tensor([-10.0, 20.0, -10.0], dtype=torch.float64),
        torch.tensor([0.1, 0.0, -0.1], dtype=torch.float64),
        torch.rand(n, 3, generator=rng, dtype=torch.float64) - 0.5 if dipoles else None,
    )


UP = np.array([0.0, 0.0, 1.0])
PROBE = torch.tensor([[1.0, 2.0, 5.5], [0.3, -1.0, 6.0]], dtype=torch.float64)


def energy(p: np.ndarray, a: Atoms) -> float:
    """Lennard-Jones and Coulomb energy, term by term."""
    total = 0.0
    dipoles = [np.zeros(3)] * len(a.pos) if a.dipole is None else a.dipole.numpy()
    for pos, q, dipole, radius, depth in zip(a.pos, a.charge, dipoles, a.radius, a.depth, strict=True):
        r = np.linalg.norm(p - pos.numpy())
        total += float(depth * ((radius / r) ** 12 - 2 * (radius / r) ** 6))
        for charge, height in zip(a.tip_charges, a.tip_heights, strict=True):
            d = p + height.numpy() * UP - pos.numpy()
            total += float(charge) * (float(q) / np.linalg.norm(d) + dipole @ d / np.linalg.norm(d) ** 3)
    return total


@pytest.mark.parametrize("dipoles", [False, True])
def test_force_is_minus_the_gradient_of_the_energy(dipoles):
    a, step = atoms(dipoles), 1e-5
    for p, force in zip(PROBE.numpy(), surface_force(PROBE, a), strict=True):
        slope = [(energy(p + e, a) - energy(p - e, a)) / (2 * step) for e in step * np.eye(3)]
        np.testing.assert_allclose(force, -np.array(slope), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("dipoles", [False, True])
def test_hessian_is_minus_the_jacobian_of_the_force(dipoles):
    a = atoms(dipoles)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda p: surface_force(p[None], a)[0]))(PROBE)
    force, hessian = surface_force_hessian(PROBE, a)
    torch.testing.assert_close(force, surface_force(PROBE, a))
    torch.testing.assert_close(hessian, -jacobian, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("dipoles", [False, True])
def test_pullbacks_are_those_of_autograd(dipoles):
    leaves = [v.requires_grad_() for v in atoms(dipoles) if v is not None]
    a = Atoms(*leaves)
    cotangent = torch.tensor([[0.3, -1.0, 0.4], [2.0, 0.1, -0.7]], dtype=torch.float64)
    inputs = [a.pos, a.charge, a.tip_charges, a.tip_heights, *([a.dipole] if dipoles else [])]
    expected = torch.autograd.grad((surface_force(PROBE, a) * cotangent).sum(), inputs)
    with torch.no_grad():
        terms = SurfaceTerms.at(PROBE, a)
        pulled = [terms.pull_pos(cotangent), *terms.pull_charges(cotangent, a)]
        pulled += [terms.jacobian_dipole(cotangent, a).sum(0)] if dipoles else []
        torch.testing.assert_close(terms.jacobian_pos(cotangent).sum(0), pulled[0])
    torch.testing.assert_close(tuple(pulled), expected, rtol=1e-5, atol=1e-10)


def test_probe_within_an_angstrom_of_an_atom_is_inside():
    a = atoms()
    probe = a.pos[2] + torch.tensor([[0.0, 0.6, 0.7], [0.0, 0.8, 0.7], [0.0, 0.0, 9.0]])
    a = a._replace(pos=a.pos[2:3], dipole=a.dipole[2:3])
    assert SurfaceTerms.at(probe, a).outside().tolist() == [False, True, True]
