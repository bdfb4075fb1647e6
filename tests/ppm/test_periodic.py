import itertools

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm import OpenCLRenderer, TorchRenderer
from torch_afm.ppm.base import prepare
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
    wide = OpenCLRenderer(SCAN).render(repeated(neutral, 14, 14))
    assert rms(OpenCLRenderer(SCAN).render(neutral), wide) < 1e-4
    neutral.pbc[:] = False
    assert rms(OpenCLRenderer(SCAN).render(neutral), wide) > 0.1


@pytest.mark.parametrize("shift", [0, 3])
def test_field_of_the_ions_equals_the_sum_of_plane_waves(shift):
    # A layer of charges q at r_i has the potential (2π/a²) Σ_G q e^{iG(r - r_i) - |G| h} / |G| at height h.
    data = salt()
    data.pos[1, 0] += shift * A  # in whichever cell an ion is written
    batch = prepare(data, SCAN, Tip(), 9.0)
    points = np.random.default_rng(0).uniform([-3, -2, 3.0], [5, 4, 5.0], (10, 3))
    d = points[:, None] - (batch.pos + batch.origin).numpy()
    field = np.einsum("j,ijk,ij->ik", batch.charge.numpy(), d, np.linalg.norm(d, axis=2) ** -3)
    exact = np.zeros_like(field)
    for i, j in itertools.product(range(-8, 9), repeat=2):
        wave = 2 * np.pi / A * np.array([i, j])
        if not (size := np.linalg.norm(wave)):
            continue
        for q, ion in zip(data.charge.numpy(), data.pos.numpy(), strict=True):
            r = points - ion
            term = q * np.exp(1j * r[:, :2] @ wave - size * r[:, 2])
            slope = np.array([*(1j * wave), -size])
            exact -= 2 * np.pi / A**2 * (term[:, None] * slope / size).real
    np.testing.assert_allclose(field, exact, rtol=0, atol=2e-3 * np.abs(exact).max())


def test_backends_repeat_the_same_way():
    exact = TorchRenderer(SCAN, dtype=torch.float64).render(salt())
    assert rms(OpenCLRenderer(SCAN).render(salt()), exact) < 5e-4


def test_ribbon_is_periodic_along_one_axis_alone():
    neutral = salt(pbc=(False, True, True))
    neutral.charge = torch.zeros(4)
    wide = OpenCLRenderer(SCAN).render(repeated(neutral, 0, 14))
    assert rms(OpenCLRenderer(SCAN).render(neutral), wide) < 1e-4
    data = salt(pbc=(False, True, True))
    data.pos[1, 1] += 2 * A
    assert (
        rms(OpenCLRenderer(SCAN).render(data), OpenCLRenderer(SCAN).render(salt((False, True, True)))) < 5e-4
    )


def test_atoms_may_stand_in_any_cell_and_the_image_repeats():
    stack = OpenCLRenderer(SCAN).render(salt())
    moved = salt()
    moved.pos[1] += torch.tensor([-3 * A, 2 * A, 0.0])
    assert rms(OpenCLRenderer(SCAN).render(moved), stack) < 5e-4
    shifted = Scan(
        window=((-3.0 + A, 5.0 + A), (-2.0, 4.0)),
        pixels=SCAN.pixels,
        n_slices=4,
        n_oscillation=5,
        distance=5.6,
    )
    assert rms(OpenCLRenderer(shifted).render(salt()), stack) < 5e-4


def test_batch_of_a_surface_and_a_molecule_keeps_them_apart():
    free = salt(pbc=(False, False, False))
    stacks = OpenCLRenderer(SCAN).render(Batch.from_data_list([free, salt()]), (Tip(), Tip(tilt=(0.2, 0.1))))
    assert rms(stacks[:1, :1], OpenCLRenderer(SCAN).render(free)) < 1e-5
    assert rms(stacks[1:, 1:], OpenCLRenderer(SCAN, Tip(tilt=(0.2, 0.1))).render(salt())) < 1e-5


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
    renderer = TorchRenderer(scan, dtype=torch.float64)

    def total(height):
        data = salt()
        data.pos = data.pos + height * torch.tensor([[0.0], [0.0], [0.0], [1.0]]) * torch.tensor(
            [0.0, 0.0, 1.0]
        )
        return renderer.render(data, z_top=9.0).sum()

    height = torch.zeros((), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(total, [height], eps=1e-4, atol=1e-6)


def bad_cells():
    yield "cell: expected a tensor", {"cell": None}
    yield "pbc: expected a tensor", {"pbc": None}
    yield "cell: expected shape", {"cell": torch.eye(3)}
    yield "cell: expected finite", {"cell": torch.full((1, 3, 3), float("nan"))}
    yield "cell: expected periodic vectors", {"cell": torch.ones(1, 3, 3)}
    yield "cell: expected periodic vectors", {"cell": torch.zeros(1, 3, 3)}
    yield "cell: expected periodic vectors", {"cell": torch.tensor([[[4, 0, 1], [0, 4, 0], [0, 0, 9.0]]])}


@pytest.mark.parametrize(("message", "keys"), list(bad_cells()))
def test_bad_cells_are_one_clear_line(message, keys):
    data = salt()
    for key, value in keys.items():
        if value is None:
            del data[key]
        else:
            data[key] = value
    with pytest.raises(InputError, match=message):
        OpenCLRenderer(SCAN).render(data)


def test_charged_cell_under_a_charged_tip_is_refused():
    data = salt()
    data.charge = data.charge.abs()
    assert OpenCLRenderer(SCAN).render(data).isfinite().all()
    with pytest.raises(InputError, match="neutral cell"):
        OpenCLRenderer(SCAN, Tip(charges=(0.1,), charge_heights=(0.0,))).render(data)
