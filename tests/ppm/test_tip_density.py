import numpy as np
import pytest

from torch_afm.data import DensityGrid
from torch_afm.ppm.tip_density import TipDensity
from torch_afm.utils import InputError


def moments(tip):
    """Dipole [e Å] and axial quadrupole [e Å²] along z."""
    points, volume = tip.charge.points(), abs(np.linalg.det(tip.charge.steps))
    z, r2 = points[..., 2], np.square(points).sum(-1)
    return [float((tip.charge.values * v).sum() * volume) for v in (z, 1.5 * z**2 - 0.5 * r2)]


def test_carbon_monoxide():
    """All its valence electrons; neutral; a dipole of 0.24 D with carbon negative, as PBE has it (0.2 D)."""
    tip = TipDensity.preset("CO")
    assert tip.density.integral == pytest.approx(10, abs=0.01)
    assert tip.charge.integral == pytest.approx(0, abs=1e-9)
    assert moments(tip)[0] == pytest.approx(-0.05, abs=0.01)
    with pytest.raises(InputError, match="expected one of CO"):
        TipDensity.preset("Xe")


def test_a_tip_around_the_first_point_is_unwrapped():
    tip = TipDensity.preset("CO")
    shift = np.rint(-tip.density.origin / tip.density.steps.diagonal()).astype(int)
    rolled = np.roll(tip.density.values, -shift, (0, 1, 2))
    grid = DensityGrid(rolled, np.zeros(3), tip.density.cell)
    found = TipDensity.from_density(grid, [8, 6], [(0, 0, 0), (0, 0, 1.128)])
    assert found.density.origin.max() < 0
    np.testing.assert_allclose(moments(found), moments(tip), atol=1e-3)


def test_bad_tips_are_refused():
    tip = TipDensity.preset("CO")
    density, charge = tip.density, tip.charge
    with pytest.raises(InputError, match="neutral"):
        TipDensity(density, DensityGrid(charge.values + 1e-3, charge.origin, charge.cell))
    with pytest.raises(InputError, match="probe atom at"):
        TipDensity(DensityGrid(density.values, density.origin + np.array([0, 0, 1.0]), density.cell), charge)
    with pytest.raises(InputError, match="electrons"):
        TipDensity.from_density(density, [8], [(0, 0, 0)])
