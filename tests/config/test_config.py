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
        Scan(pixels=(32, 48), weights="ppafm", substeps=3),
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


@pytest.mark.parametrize("substeps", [1, 2, 3, 8])
def test_substeps_lie_in_the_middles_of_equal_steps_of_every_oscillation(substeps):
    scan = Scan(n_slices=4, dz=0.2, n_oscillation=5, substeps=substeps)
    once = Scan(n_slices=4, dz=0.2, n_oscillation=5)
    assert (
        np.array_equal(scan.slice_heights(8.0), once.slice_heights(8.0)) and scan.amplitude == once.amplitude
    )
    heights, n = scan.heights(8.0), scan.n_samples
    assert len(heights) == scan.n_heights and n == 5 * substeps
    for s, middle in enumerate(scan.slice_heights(8.0)):
        edges = np.linspace(middle + scan.amplitude / 2, middle - scan.amplitude / 2, n + 1)
        np.testing.assert_allclose(heights[s * substeps : s * substeps + n], (edges[1:] + edges[:-1]) / 2)
    assert s * substeps + n == scan.n_heights


def test_settings_of_before_substeps_have_one():
    values = to_dict(Scan(dz=0.2))
    del values["substeps"]
    assert from_dict(Scan, values) == Scan(dz=0.2, substeps=1)


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


NAN, INF = float("nan"), float("inf")
BAD = [
    *((Scan, {"pixels": v}, "pixels") for v in ((1, 5), (8,), (8.5, 8), (-4, 4))),
    *(
        (Scan, {"window": ((0.0, 1.0), v)}, "window")
        for v in ((3.0, 1.0), (0.0, NAN), (-INF, 1.0), (0.0, 1e5))
    ),
    *((Scan, {"n_slices": v}, "n_slices") for v in (0, 1.5, 100_000)),
    *((Scan, {"n_oscillation": v}, "n_oscillation") for v in (1, NAN)),
    *((Scan, {"substeps": v}, "substeps") for v in (0, 0.5)),
    (Scan, {"substeps": 1000}, "n_slices, n_oscillation, substeps"),
    *((Scan, {"dz": v}, "dz") for v in (-0.1, 0.0, NAN, INF, 1e-9)),
    *((Scan, {"distance": v}, "distance") for v in (-3.0, -100.0, 1e6, NAN)),
    *((Scan, {name: v}, name) for name in ("f0", "k") for v in (0.0, NAN, INF)),
    (Scan, {"weights": "other"}, "weights"),
    (Tip, {"charges": (1.0,)}, "charges"),
    (Tip, {"tilt": (5.0, 0.0)}, "tilt"),
    (Tip, {"stiffness": (-1.0, 0.0, 0.0)}, "stiffness"),
    (Tip, {"radial_stiffness": INF}, "tip"),
    (Tip, {"radial_stiffness": 3e5}, "radial_stiffness"),
    *((Tip, {"probe": v}, "") for v in ("Qq", "CO", 8)),
    *((Tip, v, "radius, depth") for v in ({"radius": 0.0}, {"depth": -0.1}, {"depth": NAN})),
    (Tip.preset, {"name": "NH3"}, "preset"),
    *(
        (ForceField, {"lennard_jones": v}, "")
        for v in (
            (("Qq", 1.0, 0.1),),
            (("CO", 1.0, 0.1),),
            (("Au", 1.0),),
            ((),),
            (("Au", 1.0, "deep"),),
            (("Au", 1.0, 0.1), ("Au", 2.0, 0.1)),
            (("Au", -1.0, 0.1),),
            (("Au", 1.0, INF),),
        )
    ),
]


def test_bad_settings_name_the_argument():
    for make, values, name in BAD:
        with pytest.raises(InputError) as error:
            make(**values)
        assert str(error.value).startswith(name) and "\n" not in str(error.value), values
