import numpy as np
import pytest
from scipy.special import erf

from torch_afm.data import DensityGrid
from torch_afm.ppm.isolated import isolated_potential, molecule_potential
from torch_afm.units import COULOMB


def test_potential_of_a_gaussian_is_its_closed_form():
    """K q erf(r / √2 σ) / r, also at the faces, in a skewed cell."""
    cell = np.array([[6.0, 0, 0], [1.0, 6.0, 0], [0, 0.5, 7.0]])
    grid = DensityGrid(np.zeros((40, 40, 46)), -cell.sum(0) / 2, cell)
    r = np.linalg.norm(grid.points() - [0.11, -0.2, 0.05], axis=-1)
    charge = DensityGrid(np.exp(-(r**2) / 0.5) / (np.pi * 0.5) ** 1.5, grid.origin, cell)
    expected = COULOMB * erf(r / np.sqrt(0.5)) / r
    assert np.abs(isolated_potential(charge).values - expected).max() < 0.005 * expected.max()
    far = r > 2
    np.testing.assert_allclose(isolated_potential(charge).values[far], expected[far], rtol=1e-4)


def test_molecule_is_neutral_unless_charged(formaldehyde):
    cores = np.array([4.0, 6.0, 1.0, 1.0])
    pos = formaldehyde.pos.numpy()
    ends = [molecule_potential(formaldehyde.density, pos, cores, net).values for net in (0.0, 1.0)]
    corner = np.linalg.norm(formaldehyde.density.origin - pos.mean(0))
    assert (ends[1] - ends[0])[0, 0, 0] == pytest.approx(COULOMB / corner, rel=0.05)
    assert abs(ends[0][0, 0, 0]) < 0.1
