import numpy as np
import pytest

from torch_afm.config import ForceField, Tip
from torch_afm.elements import LJ_TABLE
from torch_afm.units import COULOMB


def test_equilibrium_lies_on_the_sphere():
    tip = Tip(tilt=(0.3, -0.4), bond_length=4.0)
    assert np.linalg.norm(tip.equilibrium) == pytest.approx(4.0) and tip.equilibrium[2] < 0


def test_preset_of_the_co_tip_is_the_default():
    assert Tip.preset("CO") == Tip()


@pytest.mark.parametrize(("name", "charge", "stiffness"), [("Xe", 0.3, 0.25), ("Cl", -0.3, 0.5)])
def test_presets_of_charged_atoms(name, charge, stiffness):
    """The potential far below is the monopole's, the probe has the element's Lennard-Jones parameters."""
    tip = Tip.preset(name)
    r = 7.0 + np.array(tip.charge_heights)
    assert COULOMB * np.sum(np.array(tip.charges) / r) == pytest.approx(COULOMB * charge / 7)
    assert tip.stiffness == (stiffness, stiffness, 0.0) and tip.radial_stiffness == 30.0
    assert tip.bond_length == Tip().bond_length
    radius, depth = ForceField().probe_parameters([tip])
    assert (radius[0], depth[0]) == LJ_TABLE[name]
