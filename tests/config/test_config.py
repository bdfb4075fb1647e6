import json

import numpy as np
import pytest

from torch_afm.config import ForceField, Scan, Tip, from_dict, to_dict
from torch_afm.elements import LJ_TABLE, lj_parameters
from torch_afm.units import COULOMB
from torch_afm.utils import InputError


@pytest.mark.parametrize(
    "config",
    [
        Scan(pixels=(32, 48), weights="ppafm"),
        Tip(probe="Xe", tilt=(0.1, 0.2)),
        Tip(radius=1.7, depth=0.01),
        ForceField((("Au", 1.6, 0.0017), ("C", 1.9, 0.004))),
    ],
)
def test_json_round_trip(config):
    assert from_dict(type(config), json.loads(json.dumps(to_dict(config)))) == config


def test_unknown_key_is_named():
    with pytest.raises(InputError, match=r"Scan: unknown setting.*pixel_size"):
        from_dict(Scan, {"pixel_size": 1})


def test_scan_geometry():
    scan = Scan(window=((2.0, 18.0), (0.0, 4.0)), pixels=(5, 3), n_slices=3, dz=0.2, n_oscillation=4)
    assert scan.x.tolist() == [2, 6, 10, 14, 18] and scan.y.tolist() == [0, 2, 4]
    assert scan.shape == (3, 3, 5) and scan.n_heights == 6
    heights = scan.heights(8.0)
    assert heights[0] == 8 and np.allclose(np.diff(heights), -0.2)
    # A slice is labelled by the mean height of the force samples it is made of.
    means = [heights[s : s + 4].mean() for s in range(3)]
    assert np.allclose(scan.slice_heights(8.0), means) and scan.amplitude == pytest.approx(0.8)


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


def test_unknown_preset_of_a_tip():
    with pytest.raises(InputError, match="preset: expected one of CO, Xe, Cl, got 'NH3'"):
        Tip.preset("NH3")


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


@pytest.mark.parametrize(
    ("cls", "values", "name"),
    [
        (Scan, {"pixels": (1, 5)}, "pixels"),
        (Scan, {"window": ((3.0, 1.0), (0.0, 1.0))}, "window"),
        (Scan, {"window": ((0.0, float("nan")), (0.0, 1.0))}, "window"),
        (Scan, {"n_oscillation": 1}, "n_oscillation"),
        (Scan, {"dz": -0.1}, "dz"),
        (Scan, {"weights": "other"}, "weights"),
        (Tip, {"charges": (1.0,)}, "charges"),
        (Tip, {"tilt": (5.0, 0.0)}, "tilt"),
        (Tip, {"stiffness": (-1.0, 0.0, 0.0)}, "stiffness"),
        (Tip, {"radial_stiffness": float("inf")}, "tip"),
        (Tip, {"probe": "Qq"}, "element.*'Qq'"),
        (Tip, {"probe": "CO"}, "probe: expected a chemical symbol, got 'CO'"),
        (Tip, {"probe": 8}, "probe: expected a chemical symbol, got 8"),
        (Tip, {"radius": 0.0}, "radius, depth"),
        (Tip, {"depth": -0.1}, "radius, depth"),
        (Tip, {"depth": float("nan")}, "radius, depth"),
        (ForceField, {"lennard_jones": (("Qq", 1.0, 0.1),)}, "element.*'Qq'"),
        (ForceField, {"lennard_jones": (("CO", 1.0, 0.1),)}, "lennard_jones: expected a chemical symbol"),
        (ForceField, {"lennard_jones": (("Au", 1.0),)}, "lennard_jones: expected"),
        (ForceField, {"lennard_jones": ((),)}, "lennard_jones: expected"),
        (ForceField, {"lennard_jones": (("Au", 1.0, "deep"),)}, "lennard_jones: expected"),
        (ForceField, {"lennard_jones": (("Au", 1.0, 0.1), ("Au", 2.0, 0.1))}, "Au twice"),
        (ForceField, {"lennard_jones": (("Au", -1.0, 0.1),)}, "lennard_jones: Au"),
        (ForceField, {"lennard_jones": (("Au", 1.0, float("inf")),)}, "lennard_jones: Au"),
    ],
)
def test_bad_settings_name_the_argument(cls, values, name):
    with pytest.raises(InputError, match=name):
        cls(**values)
