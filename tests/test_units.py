import pytest
from ase import units as ase_units

from torch_afm import units


def test_against_ase():
    assert pytest.approx(ase_units.m**2 / ase_units.J, rel=1e-6) == units.N_PER_M
    assert (
        pytest.approx(ase_units._e * 1e10 / (4 * 3.14159265358979 * ase_units._eps0), rel=1e-6)
        == units.COULOMB
    )
    assert pytest.approx(ase_units.m) == units.ANGSTROM_PER_M
    assert pytest.approx(ase_units.kcal / ase_units.mol, rel=1e-5) == units.KCAL_PER_MOL
