import itertools

import numpy as np
import pytest
import torch
from ase.build import fcc111

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.ppm import ProbeParticleModel, kernel_forward, tiles
from torch_afm.ppm.inputs import prepare
from torch_afm.ppm.opencl import OpenCLDevice
from torch_afm.ppm.tiles import NEAR, TILE, Neighbors, neighbors, pixel_tiles
from torch_afm.testing import benzene, water

SCAN = Scan(window=((-4.0, 4.0), (-3.0, 3.0)), pixels=(17, 13), n_slices=3, n_oscillation=6)


def water_on_gold() -> AFMData:
    slab = fcc111("Au", (9, 9, 4))
    slab.positions -= [*slab.positions[:, :2].mean(0), slab.positions[:, 2].max()]
    data = water()
    return AFMData(
        z=torch.cat([torch.from_numpy(slab.numbers).long(), data.z]),
        pos=torch.cat([torch.from_numpy(slab.positions), data.pos + torch.tensor([0.6, 0.4, 3.0])]),
        charge=torch.cat([torch.zeros(len(slab)), data.charge]),
    )


def random_atoms(n: int) -> AFMData:
    """``n`` atoms at least 1.5 Å apart in a slab of 24 x 24 x 10 Å."""
    rng = np.random.default_rng(0)
    kept = np.empty((0, 3))
    while len(kept) < n:
        new = rng.uniform([-12, -12, -10], [12, 12, 0])
        if (np.linalg.norm(kept - new, axis=1) > 1.5).all():
            kept = np.vstack([kept, new])
    charge = rng.normal(0, 0.05, n)
    z = torch.from_numpy(rng.choice([1, 6, 7, 8, 16], n))
    return AFMData(z=z, pos=torch.from_numpy(kept), charge=torch.from_numpy(charge - charge.mean()))


def count_tiled(monkeypatch) -> list[str]:
    """Names of the kernels that render from now on."""
    names: list[str] = []
    launch = OpenCLDevice.launch

    def spy(self, file, kernel, *rest):
        names.append(kernel)
        return launch(self, file, kernel, *rest)

    monkeypatch.setattr(OpenCLDevice, "launch", spy)
    return names


def random_dipoles(n: int) -> AFMData:
    """``random_atoms`` with dipoles."""
    data = random_atoms(n)
    data.dipole = torch.from_numpy(np.random.default_rng(1).normal(0, 0.1, (n, 3)))
    return data


@pytest.mark.parametrize(
    "data", [water_on_gold(), random_atoms(600), random_dipoles(600)], ids=["gold", "random", "dipoles"]
)
@pytest.mark.parametrize(
    "tip",
    [Tip(tilt=(0.3, -0.2)), Tip(probe="Xe", charges=(0.1, 0.05), charge_heights=(0.0, 0.5))],
    ids=["quadrupole", "charges"],
)
@pytest.mark.filterwarnings("ignore:relaxation")
def test_tiles_against_full_summation_in_float64(data, tip, monkeypatch):
    monkeypatch.setattr(kernel_forward, "worth_tiling", lambda *_: True)
    names = count_tiled(monkeypatch)
    stack = ProbeParticleModel(SCAN, tip, backend="opencl")(data)
    assert names[:2] == ["far_field", "frequency_shift"]
    exact = ProbeParticleModel(SCAN, tip, dtype=torch.float64, backend="torch")(data)
    error = (stack - exact) / exact.std()
    assert error.square().mean().sqrt() < 5e-4
    assert error.abs().max() < 5e-3


@pytest.mark.filterwarnings("ignore:relaxation")
def test_probe_that_leaves_its_tile_feels_all_atoms(monkeypatch):
    # Charges drag a soft charged probe out of the box of its tile.
    tip = Tip(charges=(-0.3,), charge_heights=(0.0,), stiffness=(0.05, 0.05, 0.0))
    data = water_on_gold()
    data.charge[0] = 0.8
    monkeypatch.setattr(kernel_forward, "worth_tiling", lambda *_: False)
    full = ProbeParticleModel(SCAN, tip, backend="opencl").relax(data)
    aside = (full.probe[..., 0] - torch.from_numpy(SCAN.x)).abs().amax(dim=2)
    monkeypatch.setattr(kernel_forward, "worth_tiling", lambda *_: True)
    force = ProbeParticleModel(SCAN, tip, backend="opencl").relax(data).force
    assert (aside > 3.0).any()
    # That far aside a probe has left its box; the sum over all atoms is the same arithmetic.
    assert torch.equal(force.movedim(2, -1)[aside > 3.0], full.force.movedim(2, -1)[aside > 3.0])
    assert (force - full.force)[:, :, 0].abs().max() < 2e-3 * full.force[:, :, 0].std()


def test_tiles_are_used_where_they_pay(monkeypatch):
    names = count_tiled(monkeypatch)
    full = Scan(n_slices=1, n_oscillation=2)
    for scan, data, tiled in (
        (full, benzene(), False),
        (full, water_on_gold(), True),
        (Scan(pixels=(4, 4), n_slices=1, n_oscillation=2), water_on_gold(), False),
    ):
        names.clear()
        ProbeParticleModel(scan, backend="opencl")(data)
        assert ("far_field" in names) == tiled


def test_subset_of_pixels_and_channels_on_tiles(monkeypatch):
    monkeypatch.setattr(kernel_forward, "worth_tiling", lambda *_: True)
    data, tips = water_on_gold(), [[Tip(), Tip(probe="Xe", tilt=(0.3, 0.0))]]
    rng = np.random.default_rng(1)
    pixels = torch.from_numpy(rng.integers(0, SCAN.pixels, (40, 2)))
    some = ProbeParticleModel(SCAN, backend="opencl")(data, tips, pixels=pixels)
    whole = ProbeParticleModel(SCAN, backend="opencl")(data, tips)[..., pixels[:, 1], pixels[:, 0]]
    assert (some - whole).square().mean().sqrt() < 5e-4 * whole.std()


@pytest.mark.parametrize("width", [1, 8])
def test_every_pixel_has_a_slot_in_a_tile_of_its_neighbors(width):
    scan = Scan(window=((0.0, 7.0), (0.0, 4.5)), pixels=(23, 11))
    positions = prepare(water(), scan, Tip()).positions
    pixel, slot, tile_of = pixel_tiles(positions, width)
    assert len(pixel) == width * len(tile_of)
    np.testing.assert_array_equal(pixel[slot], np.arange(len(positions)))
    tile = np.repeat(tile_of, width)
    for t in range(tile.max() + 1):
        assert np.ptp(positions[pixel[tile == t]], axis=0).max() <= TILE + 1e-9
    assert tile.max() + 1 == 4 * 3


def test_near_and_far_atoms_by_brute_force(monkeypatch):
    data = random_atoms(200)
    batch = prepare(data, SCAN, [[Tip(tilt=(0.5, 0.0)), Tip()]])
    positions = batch.positions
    _, slot, tile_of = pixel_tiles(positions, 8)
    tile = np.repeat(tile_of, 8)[slot]
    monkeypatch.setattr(tiles, "_PAIRS", 700)  # several blocks of boxes
    found = neighbors(batch, positions, tile)
    pos = batch.pos.numpy()
    for entry, t in itertools.product(range(2), range(tile.max() + 1)):
        box = entry * (tile.max() + 1) + t
        near, far = (set(i[p[box] : p[box + 1]].tolist()) for i, p in (found.near, found.far))
        assert near | far == set(range(batch.ptr[entry], batch.ptr[entry + 1])) and not near & far
        free = positions[tile == t] + np.array([0.5 - 0.5 * entry, 0])
        gap = np.abs(free - found.center[entry, t, :2]) - found.half[entry, t, :2]
        assert gap.max() == pytest.approx(-0.6)  # the free probes are within, with a margin
        corners = found.center[entry, t] + found.half[entry, t] * np.array([[1, 1, 1], [-1, -1, -1]])
        closest = np.clip(pos, corners[1], corners[0])
        distance = np.linalg.norm(pos - closest, axis=1)
        assert {i for i in near | far if distance[i] < NEAR} == near


def test_polynomials_are_reproduced():
    rng = np.random.default_rng(0)
    center, half = rng.normal(size=(1, 2, 3)), rng.uniform(1, 2, (1, 2, 3))
    none = np.empty(0, np.int64), np.zeros(3, np.int64)
    boxes = Neighbors(center, half, none, none)
    # Gradient and Hessian of E = x²y + 2 x y z² - z³ + x.
    x, y, z = boxes.nodes.transpose(1, 0, 2)
    gradient = np.stack([2 * x * y + 2 * y * z**2 + 1, x**2 + 2 * x * z**2, 4 * x * y * z - 3 * z**2], axis=1)
    records = boxes.records(gradient)
    np.testing.assert_allclose(records[:, :3], center[0])
    np.testing.assert_allclose(records[:, 3:6], 1 / half[0])
    x, y, z = center[0].T
    np.testing.assert_allclose(records[:, 12], 2 * x * y + 2 * y * z**2 + 1)
    hessian = [2 * y, 0 * x, 4 * x * y - 6 * z, 2 * x + 2 * z**2, 4 * y * z, 4 * x * z]
    np.testing.assert_allclose(records[:, 6:12], np.stack(hessian, 1), atol=1e-9)
