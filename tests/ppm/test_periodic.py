import itertools

import numpy as np
import pytest
import torch
from scipy.special import erf, erfc, erfcx, k0, k1
from torch_geometric.data import Batch

from tests.ppm.test_dipoles import BARE, pairs
from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm import ProbeParticleModel
from torch_afm.ppm.inputs import prepare
from torch_afm.ppm.periodic import cell_shifts
from torch_afm.utils import InputError

A = 3.96  # Å: half the cubic lattice constant of NaCl times √2, the edge of the primitive square of (001)
CELL = np.diag([A, A, 20.0])
SCAN = Scan(window=((-3.0, 5.0), (-2.0, 4.0)), pixels=(9, 7), n_slices=4, n_oscillation=5, distance=5.6)


def salt(pbc=(True, True, False)) -> AFMData:
    """One primitive cell of two layers of NaCl(001)."""
    return AFMData(
        z=torch.tensor([11, 17, 17, 11]),
        pos=torch.tensor([[0.1, 0, 0], [A / 2, A / 2, 0], [0, 0, -2.8], [A / 2, A / 2, -2.8]]).double(),
        charge=torch.tensor([0.8, -0.8, -0.8, 0.8]).double(),
        cell=torch.from_numpy(CELL)[None],
        pbc=torch.tensor([pbc]),
    )


def repeated(data: AFMData, nx: int, ny: int) -> AFMData:
    """The cells from -n to n along each axis, as atoms."""
    shifts = torch.tensor([[i * A, j * A, 0] for i in range(-nx, nx + 1) for j in range(-ny, ny + 1)])
    return AFMData(
        z=data.z.repeat(len(shifts)),
        pos=(data.pos + shifts[:, None]).reshape(-1, 3),
        charge=data.charge.repeat(len(shifts)),
    )


def rms(a, b) -> float:
    return float((a - b).square().mean().sqrt() / b.std())


def test_neutral_surface_equals_a_wide_sheet():
    # The sheet goes on 30 Å beyond where the images end.
    neutral = salt()
    neutral.charge = torch.zeros(4)
    wide = ProbeParticleModel(SCAN, backend="opencl")(repeated(neutral, 14, 14))
    assert rms(ProbeParticleModel(SCAN, backend="opencl")(neutral), wide) < 1e-4
    neutral.pbc[:] = False
    assert rms(ProbeParticleModel(SCAN, backend="opencl")(neutral), wide) > 0.1


def ewald_field(points, pos, charge, vectors, screening):
    """Field over Coulomb's constant of charges that repeat along two vectors: both of Ewald's sums (Parry,
    Surf. Sci. 49, 433 (1975)), for any screening."""
    area = abs(np.linalg.det(vectors[:, :2]))
    counts = np.array(list(itertools.product(range(-14, 15), repeat=2)))
    shifts = counts @ vectors
    waves = counts[counts.any(1)] @ (2 * np.pi * np.linalg.inv(vectors[:, :2]).T)
    size = np.linalg.norm(waves, axis=1)
    field = np.zeros((len(points), 3))
    for q, at in zip(charge, pos, strict=True):
        d = (points - at)[:, None] - shifts
        r = np.linalg.norm(d, axis=2)
        gauss = 2 * screening / np.sqrt(np.pi) * np.exp(-((screening * r) ** 2)) / r**2
        field += q * (d * (erfc(screening * r) / r**3 + gauss)[..., None]).sum(1)
        z = (points - at)[:, 2:]
        field[:, 2] += q * 2 * np.pi / area * erf(screening * z[:, 0])
        phase = np.exp(1j * (points - at)[:, :2] @ waves.T)
        # e^{Gz} erfc(G/2α + αz), which would overflow as it stands.
        half = [size / (2 * screening) + s * screening * z for s in (1, -1)]
        up, down = (
            np.exp(s * size * z - np.maximum(h, 0) ** 2) * np.where(h > 0, erfcx(np.maximum(h, 0)), 0)
            + np.where(h > 0, 0, np.exp(s * size * z) * erfc(np.minimum(h, 0)))
            for s, h in zip((1, -1), half, strict=True)
        )
        factor = q * np.pi / area / size
        field[:, :2] -= (factor * (1j * phase) * (up + down)).real @ waves
        field[:, 2] -= (factor * size * phase * (up - down)).real.sum(1)
    return field


def rendered_field(data, scan, points):
    """The field that renderers make of ``data``: that of the charges and dipoles they sum over."""
    batch = prepare(data, scan, Tip.preset("Xe"), 9.0)
    d = points[:, None] - (batch.pos + batch.origin).numpy()
    r = np.linalg.norm(d, axis=2)
    field = np.einsum("j,ijk,ij->ik", batch.charge.numpy(), d, r**-3)
    if batch.dipole is not None:
        p = batch.dipole.numpy()
        field += 3 * np.einsum("jl,ijl,ijk,ij->ik", p, d, d, r**-5) - np.einsum("jk,ij->ik", p, r**-3)
    return field


def dipolar(edge, seed=5) -> AFMData:
    """``polar`` with dipoles in place of most of its charge."""
    data = polar(edge, 0.3)
    data.charge = 0.1 * data.charge
    data.dipole = torch.from_numpy(np.random.default_rng(seed).normal(0.1, 0.2, (len(data.z), 3)))
    return data


def polar(edge, skew=0.0, seed=0) -> AFMData:
    """Charges of no symmetry and a dipole of 1 e Å along z a 16 Å²."""
    rng = np.random.default_rng(seed)
    cell = np.array([[edge, 0, 0], [skew * edge, 1.1 * edge, 0], [0, 0, 30.0]])
    n = 2 * max(round(edge / 4) ** 2, 1)
    pos = rng.random((n, 2)) @ cell[:2, :2]
    charge = np.repeat([0.5, -0.5], n // 2) + rng.uniform(-0.1, 0.1, n)
    return AFMData(
        z=torch.full((n,), 8),
        pos=torch.from_numpy(np.hstack([pos, np.repeat([0.0, -2.0], n // 2)[:, None]])),
        charge=torch.from_numpy(charge - charge.mean()),
        cell=torch.from_numpy(cell)[None],
        pbc=torch.tensor([[True, True, False]]),
    )


@pytest.mark.parametrize(("edge", "skew"), [(4.0, 0.0), (4.0, 0.45), (8.0, 0.3), (25.0, 0.1), (40.0, 0.0)])
def test_field_of_a_polar_layer_is_that_of_ewald(edge, skew):
    data = polar(edge, skew)
    if edge == 25.0:  # in whichever cell a charge is written
        data.pos[1] += 2 * data.cell[0, 0] - data.cell[0, 1]
    vectors = data.cell[0, :2].numpy()
    points = np.random.default_rng(1).uniform([-3, -2, 3.2], [5, 4, 5.0], (20, 3))
    parts = points, data.pos.numpy(), data.charge.numpy(), vectors
    exact, again = (ewald_field(*parts, s / edge) for s in (2.2, 3.0))
    np.testing.assert_allclose(exact, again, rtol=0, atol=1e-7 * np.abs(exact).max())
    found = rendered_field(data, SCAN, points)
    assert np.sqrt(np.mean((found - exact) ** 2)) < 5e-4 * np.sqrt(np.mean(exact**2))


@pytest.mark.parametrize("edge", [4.0, 8.0, 25.0])
def test_field_of_a_layer_of_dipoles_is_that_of_ewald(edge):
    """Of pairs of charges 0.002 Å apart."""
    data = dipolar(edge)
    half = 1e-3 * data.dipole / data.dipole.norm(dim=1, keepdim=True)
    pos = torch.cat([data.pos, data.pos + half, data.pos - half]).numpy()
    q = data.dipole.norm(dim=1) / 2e-3
    charge = torch.cat([data.charge, q, -q]).numpy()
    points = np.random.default_rng(1).uniform([-3, -2, 3.2], [5, 4, 5.0], (20, 3))
    exact = ewald_field(points, pos, charge, data.cell[0, :2].numpy(), 2.2 / edge)
    found = rendered_field(data, SCAN, points)
    assert np.sqrt(np.mean((found - exact) ** 2)) < 5e-4 * np.sqrt(np.mean(exact**2))


@pytest.mark.parametrize("pbc", [(True, True, False), (False, True, False)])
def test_renderers_repeat_dipoles_as_pairs_of_charges(pbc):
    data = dipolar(8.0)
    data.pbc = torch.tensor([pbc])
    exact = ProbeParticleModel(SCAN, dtype=torch.float64, backend="torch", forcefield=BARE)(
        pairs(data), z_top=9.0
    )
    for options, tolerance in (
        ({"backend": "opencl"}, 5e-4),
        ({"dtype": torch.float64, "backend": "torch"}, 1e-5),
    ):
        assert rms(ProbeParticleModel(SCAN, **options)(data, z_top=9.0), exact) < tolerance
    del data.dipole
    assert rms(ProbeParticleModel(SCAN, backend="opencl")(data, z_top=9.0), exact) > 0.1


def test_field_beside_atoms_that_stand_out_is_that_of_ewald():
    data = polar(12.0)
    data.pos[0] = torch.tensor([8.0, 7.0, 4.5])
    points = np.random.default_rng(2).uniform([-3, -2, 3.2], [5, 4, 5.0], (20, 3))
    exact = ewald_field(points, data.pos.numpy(), data.charge.numpy(), data.cell[0, :2].numpy(), 0.2)
    found = rendered_field(data, SCAN, points)
    assert np.sqrt(np.mean((found - exact) ** 2)) < 5e-4 * np.sqrt(np.mean(exact**2))


@pytest.mark.parametrize("edge", [4.0, 15.0])
def test_field_of_a_polar_ribbon_is_a_sum_of_bessel_functions(edge):
    # Of a line of charges: (2/L) ρ/ρ² + (8π/L²) Σ_m m [K1(gρ) cos(gx) ρ/ρ + K0(gρ) sin(gx) x], g = 2πm/L.
    data = polar(edge)
    data.pbc = torch.tensor([[False, True, False]])
    length = float(data.cell[0, 1, 1])
    points = np.random.default_rng(3).uniform([-3, -2, 3.2], [5, 4, 5.0], (20, 3))
    exact = np.zeros_like(points)
    for q, at in zip(data.charge.numpy(), data.pos.numpy(), strict=True):
        d = points - at
        rho = np.hypot(d[:, 0], d[:, 2])
        radial, along = 2 / length / rho, np.zeros_like(rho)
        for m in range(1, 60):
            g = 2 * np.pi * m / length
            radial += 4 / length * g * k1(g * rho) * np.cos(g * d[:, 1])
            along += 4 / length * g * k0(g * rho) * np.sin(g * d[:, 1])
        exact += q * np.stack([radial * d[:, 0] / rho, along, radial * d[:, 2] / rho], 1)
    found = rendered_field(data, SCAN, points)
    assert np.sqrt(np.mean((found - exact) ** 2)) < 5e-4 * np.sqrt(np.mean(exact**2))


def test_backends_repeat_the_same_way():
    exact = ProbeParticleModel(SCAN, dtype=torch.float64, backend="torch")(salt())
    assert rms(ProbeParticleModel(SCAN, backend="opencl")(salt()), exact) < 5e-4


def test_ribbon_is_periodic_along_one_axis_alone():
    neutral = salt(pbc=(False, True, True))
    neutral.charge = torch.zeros(4)
    wide = ProbeParticleModel(SCAN, backend="opencl")(repeated(neutral, 0, 14))
    assert rms(ProbeParticleModel(SCAN, backend="opencl")(neutral), wide) < 1e-4
    data = salt(pbc=(False, True, True))
    data.pos[1, 1] += 2 * A
    assert (
        rms(
            ProbeParticleModel(SCAN, backend="opencl")(data),
            ProbeParticleModel(SCAN, backend="opencl")(salt((False, True, True))),
        )
        < 5e-4
    )


def test_atoms_may_stand_in_any_cell_and_the_image_repeats():
    stack = ProbeParticleModel(SCAN, backend="opencl")(salt())
    moved = salt()
    moved.pos[1] += torch.tensor([-3 * A, 2 * A, 0.0])
    assert rms(ProbeParticleModel(SCAN, backend="opencl")(moved), stack) < 5e-4
    shifted = Scan(
        window=((-3.0 + A, 5.0 + A), (-2.0, 4.0)),
        pixels=SCAN.pixels,
        n_slices=4,
        n_oscillation=5,
        distance=5.6,
    )
    assert rms(ProbeParticleModel(shifted, backend="opencl")(salt()), stack) < 5e-4


def test_batch_of_a_surface_and_a_molecule_keeps_them_apart():
    free = salt(pbc=(False, False, False))
    stacks = ProbeParticleModel(SCAN, backend="opencl")(
        Batch.from_data_list([free, salt()]), [[Tip(), Tip(tilt=(0.2, 0.1))]]
    )
    assert rms(stacks[:1, :1], ProbeParticleModel(SCAN, backend="opencl")(free)) < 1e-5
    assert (
        rms(stacks[1:, 1:], ProbeParticleModel(SCAN, Tip(tilt=(0.2, 0.1)), backend="opencl")(salt())) < 1e-5
    )


def test_shifts_of_an_oblique_cell_are_all_that_reach_the_window():
    cell = np.array([[3.0, 0.5, 0.0], [-2.0, 4.0, 0.0], [0.0, 0.0, 9.0]])
    pos = np.array([[0.3, 0.2, 0.0], [7.0, -5.0, 1.0]])
    scan = Scan(window=((0.0, 6.0), (0.0, 4.0)))
    found = cell_shifts(pos, cell, np.array([True, True, False]), scan)
    every = np.array([i * cell[0] + j * cell[1] for i in range(-40, 41) for j in range(-40, 41)])
    inside = [(np.abs((pos + s)[:, :2]) <= [28.0, 27.0]).all(1).any() for s in every]
    expected = every[np.array(inside) | ~every.any(1)]
    assert sorted(map(tuple, found.round(6))) == sorted(map(tuple, expected.round(6)))


def test_gradients_sum_over_the_images():
    scan = Scan(window=((-1.0, 1.0), (-1.0, 1.0)), pixels=(2, 2), n_slices=1, n_oscillation=2, distance=5.6)
    renderer = ProbeParticleModel(scan, dtype=torch.float64, backend="torch")

    def total(height):
        data = salt()
        data.pos = data.pos + height * torch.tensor([[0.0], [0.0], [0.0], [1.0]]) * torch.tensor(
            [0.0, 0.0, 1.0]
        )
        return renderer(data, z_top=9.0).sum()

    height = torch.zeros((), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(total, [height], eps=1e-4, atol=1e-6)


def test_gradients_reach_the_charges_beyond_the_images():
    data = dipolar(4.0)
    points = np.random.default_rng(4).uniform([-3, -2, 3.2], [5, 4, 5.0], (6, 3))

    def field(pos, charge, dipole):
        given = data.clone()
        given.pos, given.charge, given.dipole = pos, charge - charge.mean(), dipole
        batch = prepare(given, SCAN, Tip.preset("Xe"), 9.0)
        d = torch.from_numpy(points)[:, None] - batch.pos - batch.origin
        along = (batch.dipole * d).sum(2, keepdim=True) * d / d.norm(dim=2, keepdim=True) ** 5
        return (
            (batch.charge[:, None] * d - batch.dipole) / d.norm(dim=2, keepdim=True) ** 3 + 3 * along
        ).sum(1)

    leaves = [v.clone().requires_grad_() for v in (data.pos, data.charge, data.dipole)]
    assert torch.autograd.gradcheck(field, leaves, eps=1e-4, atol=1e-7)
    ribbon = torch.tensor([[True, False, False]])
    data.pbc = ribbon
    assert torch.autograd.gradcheck(field, leaves, eps=1e-4, atol=1e-7)


@pytest.mark.parametrize("make", [polar, dipolar])
@pytest.mark.parametrize("tip", ["CO", "Xe", "Cl"])
def test_kernels_and_gradients_under_every_tip_equal_float64(tip, make):
    scan = Scan(window=((-3.0, 5.0), (-2.0, 4.0)), pixels=(5, 4), n_slices=2, n_oscillation=4, distance=5.9)
    stacks, gradients = [], []
    for renderer in (
        ProbeParticleModel(scan, backend="opencl"),
        ProbeParticleModel(scan, dtype=torch.float64, backend="torch"),
    ):
        data = make(8.0)
        leaves = [data[key].requires_grad_() for key in ("pos", "charge", "dipole") if key in data]
        stack = renderer(data, Tip.preset(tip))
        found = torch.autograd.grad(stack.double().square().sum(), leaves)
        gradients.append(torch.cat([g.flatten() for g in found]))
        stacks.append(stack.detach())
    assert rms(stacks[0], stacks[1]) < 5e-4
    assert (gradients[0] - gradients[1]).norm() < 2e-3 * gradients[1].norm()


BAD = [
    ("cell", {"cell": None}),
    ("pbc", {"pbc": None}),
    ("cell", {"cell": torch.eye(3)}),
    ("cell", {"cell": torch.full((1, 3, 3), float("nan"))}),
    ("cell", {"cell": torch.ones(1, 3, 3)}),
    ("cell", {"cell": torch.zeros(1, 3, 3)}),
    ("cell", {"cell": torch.tensor([[[4, 0, 1], [0, 4, 0], [0, 0, 9.0]]])}),
    ("cell", {"cell": 1e-3 * torch.eye(3)[None]}),
]


def test_bad_cells_name_the_argument():
    for name, keys in BAD:
        data = salt()
        for key, value in keys.items():
            if value is None:
                del data[key]
            else:
                data[key] = value
        with pytest.raises(InputError, match=f"^{name}: "):
            ProbeParticleModel(SCAN, backend="opencl")(data)


def test_charged_cell_under_a_charged_tip_is_refused():
    data = salt()
    data.charge = data.charge.abs()
    assert ProbeParticleModel(SCAN, backend="opencl")(data).isfinite().all()
    with pytest.raises(InputError, match="neutral cell"):
        ProbeParticleModel(SCAN, Tip(charges=(0.1,), charge_heights=(0.0,)), backend="opencl")(data)
