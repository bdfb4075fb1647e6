import json
from pathlib import Path

import numpy as np
import pytest
import torch

from torch_afm.config import Scan
from torch_afm.data import DensityGrid, PotentialGrid
from torch_afm.ppm.fdbm import FDBM, Sample, samples
from torch_afm.ppm.fdbm_field import energy_field
from torch_afm.ppm.tip_density import TipDensity
from torch_afm.units import COULOMB
from torch_afm.utils import InputError

SCAN = Scan(window=((-1.0, 1.0), (-1.0, 1.0)), pixels=(3, 3), n_slices=2, n_oscillation=5)
ASIDE = np.zeros(2)


def grid_of(function, low, high, spacing, kind):
    low, high = np.array(low), np.array(high)
    shape = np.round((high - low) / spacing).astype(int)
    grid = kind(np.zeros(shape), low, spacing * np.diag(shape))
    return kind(function(grid.points()), low, grid.cell)


def gaussian(number, center, width):
    def function(points):
        square = np.square(points - np.array(center)).sum(-1)
        return number * np.exp(-square / (2 * width**2)) / (2 * np.pi * width**2) ** 1.5

    return function


def sample_of(density, potential, pos, pbc=(False, False, False)):
    zero, place = torch.zeros(3, dtype=torch.float64), torch.from_numpy(np.array(pos, dtype=float))
    eye = torch.eye(3, dtype=torch.float64)
    return Sample(np.array([6] * len(pos)), place, density, potential, np.array(pbc), eye, zero, zero)


def field_of(sample, model, origin=(0.0, 0.0, 3.5)):
    return energy_field(sample, model, SCAN, 8, torch.tensor(origin, dtype=torch.float64), ASIDE, sample.pos)


def probes(seed=0):
    """Places around the free probes, in the render frame."""
    rng = np.random.default_rng(seed)
    heights = SCAN.heights(0.0)
    return rng.uniform([-1.5, -1.5, heights[-1] - 0.5], [1.5, 1.5, heights[0] + 0.5], (40, 3))


@pytest.mark.parametrize("power", [1.0, 1.2])
def test_overlap_of_gaussians_is_their_closed_form(field_energy, power):
    """With a tip that is not symmetric: a cross-correlation, not a convolution."""
    box, number, width = ((-7.0, -7.0, -7.0), (7.0, 7.0, 7.0)), (6.0, 4.0), (0.55, 0.5)
    place, tip_place = np.array([0.3, -0.2, 0.1]), np.array([0.15, -0.1, 0.25])
    density = grid_of(gaussian(number[0], place, width[0]), *box, 0.1, DensityGrid)
    potential = PotentialGrid(np.zeros_like(density.values), density.origin, density.cell)
    tip_density = grid_of(gaussian(number[1], tip_place, width[1]), (-4,) * 3, (4, 4, 6), 0.1, DensityGrid)
    neutral = DensityGrid(np.zeros_like(tip_density.values), tip_density.origin, tip_density.cell)
    model = FDBM(2.0, power, None, TipDensity(tip_density, neutral))
    origin = np.array([0.0, 0.0, 3.0])
    found = field_energy(field_of(sample_of(density, potential, [place]), model, origin), probes())
    v = (width[0] ** 2 + width[1] ** 2) / power
    heights = [
        n**power * (2 * np.pi * s**2) ** (1.5 * (1 - power)) * power**-1.5
        for n, s in zip(number, width, strict=True)
    ]
    distance2 = np.square(probes() + origin - place + tip_place).sum(1)
    expected = 2.0 * np.prod(heights) * (2 * np.pi * v) ** -1.5 * np.exp(-distance2 / (2 * v))
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-5 * expected.max())
    assert expected.max() > 20 * np.median(expected)


def test_charge_density_in_a_harmonic_potential_acts_as_its_charges(field_energy):
    """Round clouds of charge away from the charges of the sample are points: a quadrupole on the axis and a
    dipole across it."""
    sites = np.array([(0, 0, 0.5), (0, 0, 0), (0, 0, -0.5), (0.3, 0, 0), (-0.3, 0, 0)])
    charges = np.array([-1.0, 2.0, -1.0, 0.4, -0.4])

    def cloud(points):
        return sum(gaussian(q, s, 0.3)(points) for q, s in zip(charges, sites, strict=True))

    pos, own = np.array([(0.0, 0.5, 0.0), (0.9, -0.4, -0.3)]), np.array([0.5, -0.3])

    def volts(points):
        distance = np.linalg.norm(points[..., None, :] - pos, axis=-1)
        return (COULOMB * own / distance.clip(0.3)).sum(-1)

    potential = grid_of(volts, (-5.02, -5.02, -3.02), (5.0, 5.0, 5.6), 0.15, PotentialGrid)
    density = DensityGrid(np.full(potential.values.shape, 1e-9), potential.origin, potential.cell)
    charge = grid_of(cloud, (-3.5,) * 3, (3.5,) * 3, 0.1, DensityGrid)
    tip_density = grid_of(gaussian(6, (0, 0, 0), 0.4), (-3.5,) * 3, (3.5,) * 3, 0.1, DensityGrid)
    model = FDBM(1e-9, 1.0, None, TipDensity(tip_density, charge))
    origin = np.array([0.0, 0.0, 4.0])
    found = field_energy(field_of(sample_of(density, potential, pos), model, origin), probes())
    at = (probes() + origin)[:, None] + sites
    expected = (charges * volts(at)).sum(1)
    # Also where the tip reaches beyond the grid of the potential, 5.6 Å up.
    assert np.abs(found - expected).max() < 2e-3 * np.abs(expected).max()


def test_dft_scans_of_carbon_monoxide_over_formaldehyde(formaldehyde, field_energy):
    """Rigid PBE scans with counterpoise correction (PySCF), 2.4 to 3.3 Å above four sites."""
    golden = Path(__file__).parents[1] / "golden" / "dft_zscan_CH2O_CO.json"
    scans = json.loads(golden.read_text("utf-8"))
    sites = {"O": (0, 1.205), "C": (0, 0), "H": (0.938, -0.587), "C=O": (0, 0.6)}
    names = [key.rsplit(" ", 1) for key in scans]
    points = np.array([(*sites[site], float(height)) for site, height in names])
    scan = Scan(window=((-2, 2), (-2, 2)), pixels=(3, 3), n_slices=2, n_oscillation=10)
    sample = samples(formaldehyde)[0]
    origin = torch.tensor([0, 0, 3.4], dtype=torch.float64)
    field = energy_field(sample, FDBM(41.0, 1.1, d3=None), scan, 8, origin, ASIDE, sample.pos)
    error = field_energy(field, points - origin.numpy()) - np.array(list(scans.values()))
    assert np.sqrt(np.square(error).mean()) < 0.015
    assert max(scans.values()) > 0.3


def test_periodic_sample_repeats(field_energy):
    """A cell aside the energy is the same, in a cell that is skewed."""
    cell = np.array([[6.0, 0.0, 0.0], [2.0, 5.0, 0.0], [0.0, 0.0, 14.0]])
    shape = (40, 36, 94)
    empty = DensityGrid(np.zeros(shape), np.array([0.0, 0.0, -4.0]), cell)
    images = [i * cell[0] + j * cell[1] for i in range(-2, 3) for j in range(-2, 3)]
    points, place = empty.points(), np.array([1.0, 0.7, 0.0])
    values = sum(gaussian(6, place + shift, 0.45)(points) for shift in images)
    density = DensityGrid(values, empty.origin, cell)
    potential = PotentialGrid(0.1 * values, empty.origin, cell)
    sample = sample_of(density, potential, [place], (True, True, False))
    first = field_energy(field_of(sample, FDBM(d3=None), (0.0, 0.0, 3.5)), probes())
    origin = np.array([0.0, 0.0, 3.5]) + 3 * cell[0] - 2 * cell[1]
    second = field_energy(field_of(sample, FDBM(d3=None), origin), probes())
    np.testing.assert_allclose(second, first, rtol=1e-5, atol=1e-8)
    assert first.std() > 0.01
    with pytest.raises(InputError, match="periodic sample"):
        field_of(sample, FDBM(d3=None), (0.0, 0.0, 12.0))


def test_turn_by_a_right_angle(formaldehyde, field_energy):
    """A CO tip is round: a sample turned by 90° has its energies turned."""
    turned = formaldehyde.clone()
    turned.pose = torch.tensor([[0.0, 0.0, np.pi / 2, 0.0, 0.0, 0.0]])
    at = torch.tensor([0.0, 0.0, 3.6], dtype=torch.float64)
    plain, moved = (samples(data)[0] for data in (formaldehyde, turned))
    plain, moved = (energy_field(s, FDBM(), SCAN, 8, at, ASIDE, s.pos) for s in (plain, moved))
    middle = formaldehyde.pos.mean(0).numpy()
    points = probes() * 0.7
    there = points - middle
    back = np.stack([there[:, 1], -there[:, 0], there[:, 2]], 1) + middle
    expected = field_energy(plain, back)
    np.testing.assert_allclose(field_energy(moved, points), expected, atol=3e-3 * np.abs(expected).max())


def test_dispersion_is_added(formaldehyde, field_energy):
    sample = samples(formaldehyde)[0]
    with_it, without = (field_energy(field_of(sample, FDBM(d3=d3)), probes()) for d3 in ("PBE", None))
    assert (with_it - without).max() < -1e-3


def test_a_window_too_large_is_refused(formaldehyde):
    wide = Scan(window=((-40, 40), (-40, 40)), pixels=(3, 3))
    sample = samples(formaldehyde)[0]
    with pytest.raises(InputError, match="smaller window"):
        energy_field(sample, FDBM(), wide, 8, torch.zeros(3, dtype=torch.float64), ASIDE, sample.pos)
