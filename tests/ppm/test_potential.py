import numpy as np
import pytest
import torch
from scipy.ndimage import spline_filter
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, PotentialGrid
from torch_afm.ppm import ProbeParticleModel
from torch_afm.ppm.potential import field_force_hessian, potential_field
from torch_afm.testing import benzene, water
from torch_afm.units import COULOMB
from torch_afm.utils import InputError

SCAN = Scan(window=((-3.0, 3.0), (-2.5, 2.5)), pixels=(7, 6), n_slices=2, n_oscillation=5)
TIPS = [Tip(), Tip(tilt=(0.3, -0.2), charges=(-0.2, 0.1), charge_heights=(0.0, 0.5))]


def molecule() -> AFMData:
    data = benzene()
    data.charge = data.charge + 0.05 * torch.sin(torch.arange(12.0))
    data.z_top = torch.tensor([8.9])
    return data


def coulomb(data, skewed=False) -> PotentialGrid:
    """The potential of the charges of ``data``, above them, where the probe may come to."""
    cell = np.array([[12.0, 0.0, 0.0], [2.0 * skewed, 12.0, 0.0], [0.0, 0.0, 7.0]])
    origin, shape = np.array([-6.0 - 1.0 * skewed, -6.0, 2.0]), (80, 80, 46)
    steps = np.stack(np.meshgrid(*(np.arange(n) / n for n in shape), indexing="ij"), -1)
    points = origin + steps @ cell
    distance = np.linalg.norm(points[..., None, :] - data.pos.double().numpy(), axis=-1)
    return PotentialGrid((COULOMB * data.charge.double().numpy() / distance).sum(-1), origin, cell)


def with_grid(skewed=False) -> AFMData:
    data = molecule()
    data.potential = coulomb(data, skewed)
    return data


@pytest.mark.parametrize("tip", TIPS, ids=["quadrupole", "charges"])
@pytest.mark.parametrize("skewed", [False, True])
def test_potential_of_point_charges_gives_their_stack(tip, skewed):
    renderer = ProbeParticleModel(SCAN, tip, dtype=torch.float64, backend="torch")
    exact, found = renderer(molecule()), renderer(with_grid(skewed))
    neutral = molecule()
    neutral.charge = torch.zeros(12)
    assert (renderer(neutral) - exact).std() > 0.02 * exact.std()
    assert (found - exact).abs().max() < 1e-3 * exact.std()


@pytest.mark.parametrize("backend", ["opencl", "torch"])
def test_potential_takes_the_place_of_dipoles_too(backend):
    data, renderer = with_grid(), ProbeParticleModel(SCAN, backend=backend)
    expected = renderer(data)
    data.dipole = torch.ones(12, 3)
    assert torch.equal(renderer(data), expected)


@pytest.mark.parametrize("tip", TIPS, ids=["quadrupole", "charges"])
def test_kernels_against_float64(tip):
    batch = Batch.from_data_list([with_grid(), with_grid(skewed=True)])
    gradients, stacks = [], []
    for renderer in (
        ProbeParticleModel(SCAN, backend="opencl"),
        ProbeParticleModel(SCAN, dtype=torch.float64, backend="torch"),
    ):
        given = batch.clone()
        given.pos.requires_grad_()
        stack = renderer(given, [[tip, Tip(probe="Xe")]])
        gradients.append(torch.autograd.grad(stack.square().sum(), given.pos)[0])
        stacks.append(stack.detach())
    assert (stacks[0] - stacks[1]).abs().max() < 1e-3 * stacks[1].std()
    assert (gradients[0] - gradients[1]).norm() < 1e-3 * gradients[1].norm()


def test_force_and_hessian_are_those_of_a_polynomial():
    # Cubic splines reproduce quadratics, but for what mirroring does at the edges.
    low, spacing = np.array([-1.0, -2.0, 0.0]), np.array([0.1, 0.2, 0.15])
    axes = [a + s * np.arange(n) for a, s, n in zip(low, spacing, (41, 31, 38), strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    energy = 0.3 * x * x - 0.2 * y * y + 0.5 * z * z + 0.7 * x * y - 0.4 * x * z + y * z - x + 2 * z
    parts = (torch.from_numpy(v) for v in (spline_filter(energy, order=3, mode="mirror"), low, spacing))
    probe = torch.tensor([[1.03, 0.88, 2.71], [0.9, 1.2, 2.5]], dtype=torch.float64)
    force, hessian = field_force_hessian(probe, *parts)
    expected = torch.tensor([[0.6, 0.7, -0.4], [0.7, -0.4, 1.0], [-0.4, 1.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(hessian, expected.expand(2, 3, 3), atol=1e-4, rtol=0)
    linear = torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64)
    torch.testing.assert_close(force, -(probe @ expected + linear), atol=1e-5, rtol=0)


def test_periodic_potential_repeats():
    # One wave a cell: whole cells aside the field is the same.
    shape, cell = (24, 30, 40), np.diag([6.0, 7.0, 12.0])
    waves = np.cos(2 * np.pi * np.arange(24) / 24)[:, None, None] + np.zeros(shape)
    grid = PotentialGrid(waves, np.array([-3.0, -3.5, 0.0]), cell)
    pbc, aside = np.array([True, True, False]), np.zeros(2)
    charge, height = np.array([2.0]), np.array([0.3])
    found = []
    for origin in (np.array([0.2, 0.1, 6.0]), np.array([12.2, -20.9, 6.0])):
        field = potential_field(grid, pbc, origin, aside, charge, height, SCAN)
        parts = field
        found.append(field_force_hessian(torch.tensor([[1.1, 0.7, -0.3]], dtype=torch.float64), *parts))
    torch.testing.assert_close(found[0], found[1], atol=1e-9, rtol=1e-9)
    # -Q dV/dx of V = cos(2π (x + 3) / 6) at x = 1.1 + 0.2.
    expected = 2.0 * 2 * np.pi / 6 * np.sin(2 * np.pi * 4.3 / 6)
    assert found[0][0][0, 0].item() == pytest.approx(expected, rel=2e-4)


@pytest.mark.parametrize("spacing", [0.2, 0.25, 0.3])
@pytest.mark.parametrize("tip", TIPS, ids=["quadrupole", "charges"])
def test_nuclei_do_not_ring(tip, spacing):
    """Force in the potential of nuclei in electrons of density e^{-kr}, K Z e^{-kr} (1/r + k/2), and of
    charges, against its closed form, 3 Å above the nuclei."""
    data = molecule()
    at, charge = data.pos.double().numpy(), data.charge.double().numpy()
    number, k = data.z.double().numpy(), np.where(data.z.numpy() == 1, 3.78, 6.14)  # 2 ζ/a0 by Slater's rules
    low, count = np.array([-6.03, -6.01, -3.02]), np.ceil(np.array([12, 12, 9.5]) / spacing).astype(int)
    axes = [a + spacing * np.arange(n) for a, n in zip(low, count, strict=True)]
    r = np.linalg.norm(np.stack(np.meshgrid(*axes, indexing="ij"), -1)[..., None, :] - at, axis=-1).clip(0.02)
    values = COULOMB * (charge / r + number * np.exp(-k * r) * (1 / r + k / 2)).sum(-1)
    grid = PotentialGrid(values, low, spacing * np.diag(count))
    assert values.max() > 100
    origin, none = np.array([0.0, 0.0, 3.5]), np.zeros(3, bool)
    charges, heights = np.array(tip.charges), np.array(tip.charge_heights)
    parts = potential_field(grid, none, origin, np.zeros(2), charges, heights, SCAN)
    probe = np.random.default_rng(0).uniform([-3, -2.5, -0.5], [3, 2.5, 0.0], (200, 3))
    found, _ = field_force_hessian(torch.from_numpy(probe), *parts)
    exact = np.zeros_like(probe)
    for q, height in zip(charges, heights, strict=True):
        d = (probe + origin + [0, 0, height])[:, None] - at
        r = np.linalg.norm(d, axis=2)
        slope = charge / r**2 + number * np.exp(-k * r) * (1 / r**2 + k / r + k**2 / 2)
        exact += q * COULOMB * ((slope / r)[..., None] * d).sum(1)
    error = found.numpy() - exact
    assert error.std() < 1e-2 * exact.std()


def test_field_is_right_where_probes_bend_to():
    # 0.7 Å outside of the free probes, which the field covers by 1 Å.
    data, none = molecule(), np.zeros(3, bool)
    origin, charge = np.array([0.0, 0.0, 4.9]), np.array([1.0])
    parts = potential_field(coulomb(data), none, origin, np.zeros(2), charge, np.zeros(1), SCAN)
    probe = np.random.default_rng(0).uniform([-3.7, 2.5, -1.2], [3.7, 3.2, 0.7], (100, 3))
    found, _ = field_force_hessian(torch.from_numpy(probe), *parts)
    d = (probe + origin)[:, None] - data.pos.double().numpy()
    slope = data.charge.double().numpy() / np.linalg.norm(d, axis=2) ** 3
    exact = COULOMB * (slope[..., None] * d).sum(1)
    assert np.abs(found.numpy() - exact).max() < 5e-3 * exact.std()


def bad_uses():
    """Name of the argument, data and scan."""
    small, whole = molecule(), coulomb(molecule())
    cell = whole.cell * np.array([[1.0], [1.0], [15 / 46]])
    small.potential = PotentialGrid(whole.values[:, :, :15], whole.origin, cell)
    array, height, wide = water(), with_grid(), molecule()
    array.potential = np.zeros((2, 2, 2))
    height.z_top.requires_grad_()
    wide.potential = PotentialGrid(np.zeros((2, 2, 2)), -1e4 * np.ones(3), 4e4 * np.eye(3))
    huge = Scan(window=((-2e3, 2e3), (-2e3, 2e3)), pixels=(4, 4), n_slices=2, n_oscillation=5)
    return [
        ("potential", small, SCAN),
        ("potential", array, SCAN),
        ("tip, z_top", height, SCAN),
        ("scan", wide, huge),
    ]


def test_bad_uses_name_the_argument():
    for name, data, scan in bad_uses():
        with pytest.raises(InputError, match=f"^{name}: "):
            ProbeParticleModel(scan, backend="opencl")(data)
