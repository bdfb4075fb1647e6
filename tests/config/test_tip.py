import numpy as np
import pytest

from torch_afm.config import ForceField, Tip
from torch_afm.elements import LJ_TABLE, lj_parameters
from torch_afm.units import COULOMB
from torch_afm.utils import InputError


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


def test_force_field_without_changes_is_the_table():
    z = [1, 6, 79, 54]
    for got, expected in zip(ForceField().lj_parameters(z), lj_parameters(z), strict=True):
        assert np.array_equal(got, expected)


def test_force_field_replaces_and_adds_elements():
    forcefield = ForceField((("Au", 1.6, 0.0017), ("He", 1.48, 0.0009)))
    radius, depth = forcefield.lj_parameters([2, 79, 6])
    assert radius.tolist() == [1.48, 1.6, LJ_TABLE["C"][0]]
    assert depth.tolist() == [0.0009, 0.0017, LJ_TABLE["C"][1]]
    # Two orders of the same parameters are the same force field.
    other = ForceField((("He", 1.48, 0.0009), ("Au", 1.6, 0.0017)))
    assert forcefield == other and hash(forcefield) == hash(other)
    with pytest.raises(InputError, match="no Lennard-Jones parameters for U"):
        forcefield.lj_parameters([92])


def test_probe_parameters_prefer_the_tip_to_the_force_field():
    forcefield = ForceField((("O", 1.5, 0.02),))
    tips = [Tip(), Tip(radius=1.7), Tip(depth=0.0), Tip(probe="U", radius=2.0, depth=0.03), Tip(probe="Xe")]
    radius, depth = forcefield.probe_parameters(tips)
    assert radius.tolist() == [1.5, 1.7, 1.5, 2.0, LJ_TABLE["Xe"][0]]
    assert depth.tolist() == [0.02, 0.02, 0.0, 0.03, LJ_TABLE["Xe"][1]]
    # Parameters of one tip do not leak into another of the same element.
    with pytest.raises(InputError, match="no Lennard-Jones parameters for U"):
        forcefield.probe_parameters([tips[3], Tip(probe="U", radius=2.0)])
    assert [v.shape for v in forcefield.probe_parameters([])] == [(0,), (0,)]
