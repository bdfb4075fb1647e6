"""Sliders become scans, tips and heights."""

import math

import pytest

from torch_afm.config import Scan, Tip
from torch_afm.live.controls import SLIDERS, Controls
from torch_afm.utils import InputError


def test_every_field_has_a_slider_that_reaches_its_default():
    defaults = vars(Controls())
    assert list(defaults) == list(SLIDERS)
    for name, value in defaults.items():
        assert SLIDERS[name].low <= value <= SLIDERS[name].high


@pytest.mark.parametrize("amplitude", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("n_slices", [1, 10])
def test_the_probe_comes_as_near_as_is_set(amplitude, n_slices):
    """The lowest anchor height of the scan, less the bond, is the height of the probe there."""
    controls, tip = Controls(approach=2.7, amplitude=amplitude), Tip(bond_length=3.5)
    scan = controls.scan(Scan(n_slices=n_slices))
    assert scan.amplitude == pytest.approx(amplitude)
    assert scan.heights(controls.z_top(scan, tip)).min() - 3.5 == pytest.approx(2.7)


def test_the_way_back_from_a_height():
    scan, tip = Scan(n_oscillation=12), Tip()
    controls = Controls().for_height(9.0, scan, tip)
    assert controls.scan(Scan()) == scan
    assert controls.z_top(scan, tip) == pytest.approx(9.0)


def test_an_oscillation_has_two_steps_at_least():
    assert Controls(amplitude=0.2).scan(Scan(dz=0.5)).n_oscillation == 2


def test_a_tip_keeps_what_no_slider_sets():
    base = Tip(stiffness=(0.1, 0.2, 0.3), radius=1.7, depth=0.01, bond_length=3.0)
    controls = Controls(stiffness=0.5, tilt_x=0.3, tilt_y=-0.1, charges=-2.0)
    tip = controls.tip(base)
    assert (tip.radius, tip.depth, tip.bond_length) == (1.7, 0.01, 3.0)
    assert tip.stiffness == (0.5, 0.5, 0.3) and tip.tilt == (0.3, -0.1)
    assert tip.charges == (20.0, -40.0, 20.0)


def test_a_named_tip_comes_back_as_it_was():
    for name in ("CO", "Xe", "Cl"):
        tip = Tip.preset(name)
        assert Controls(charges=2.0, tilt_x=0.5).for_tip(tip).tip(tip) == tip


@pytest.mark.parametrize("value", [99.0, -99.0, math.nan, math.inf, None, "1", True])
def test_other_values_are_refused(value):
    with pytest.raises(InputError, match="approach: expected 2 to 8 Å, got"):
        Controls(approach=value)


def test_clipped_values():
    found = Controls().clipped(approach=99.0, stiffness=0.0)
    assert (found.approach, found.stiffness) == (SLIDERS["approach"].high, SLIDERS["stiffness"].low)
