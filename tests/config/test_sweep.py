"""Ranges in words, and all their combinations."""

import math

import pytest

from torch_afm.config import Scan, Sweep, Tip
from torch_afm.config.sweep import MAX_STACKS, parse_values
from torch_afm.utils import InputError


def test_values_in_words():
    assert parse_values("0.2:0.6:3") == (0.2, 0.4, 0.6)
    assert parse_values("0.6:0.2:2") == (0.6, 0.2)
    assert parse_values("-1,2.5,3e-1") == (-1.0, 2.5, 0.3)
    assert parse_values("7") == (7.0,)


@pytest.mark.parametrize(
    "text",
    ["", "a", "1:2", "1:2:3:4", "1:2:1", "1:2:65", "1:2:1000000000000", "1:2:2.5", "nan", "1,inf", "1,,2"],
)
def test_other_words(text):
    with pytest.raises(InputError, match="expected a number, numbers with commas, or first:last:count"):
        parse_values(text)
    with pytest.raises(InputError):
        parse_values(",".join(["1"] * (MAX_STACKS + 1)))


def test_every_combination_the_last_fastest():
    scan, tip = Scan(dz=0.1, n_oscillation=10, n_slices=5), Tip(stiffness=(0.1, 0.2, 0.3))
    sweep = Sweep(lateral_stiffness=(0.3, 0.5), tilt=(0.4,), tilt_direction=(0.0, 90.0), amplitude=(1.2,))
    found = sweep.variations(scan, tip, 9.0)
    assert len(found) == sweep.n_stacks == 4
    assert [v.tip.stiffness for v in found] == [(0.3, 0.3, 0.3)] * 2 + [(0.5, 0.5, 0.3)] * 2
    assert [v.tip.tilt for v in found] == [(0.4, 0.0), (0.0, 0.4)] * 2
    assert [v.scan.amplitude for v in found] == pytest.approx([1.2] * 4)
    assert found[1].label == "k 0.3 N/m, tilt 0.4 Å, toward 90°, A 1.2 Å"
    assert found[1].parameters == {
        "lateral_stiffness": 0.3,
        "tilt": 0.4,
        "tilt_direction": 90.0,
        "amplitude": 1.2,
    }


def test_slices_stay_at_their_heights_and_come_to_others():
    scan, tip = Scan(dz=0.1, n_oscillation=10, n_slices=5), Tip()
    heights = scan.slice_heights(9.0)
    for variation in Sweep(amplitude=(0.3, 1.0, 2.2)).variations(scan, tip, 9.0):
        assert variation.scan.slice_heights(variation.z_top) == pytest.approx(heights)
    for variation in Sweep(amplitude=(0.3, 1.0), height=(6.5, 7.0)).variations(scan, tip, 9.0):
        nearest = variation.scan.slice_heights(variation.z_top)[-1]
        assert nearest == pytest.approx(variation.parameters["height"])


def test_no_ranges_are_one_simulation():
    (only,) = Sweep().variations(Scan(), Tip(), 9.1234567)
    assert (only.parameters, only.scan, only.tip, only.label) == ({}, Scan(), Tip(), "")
    assert only.z_top == 9.1234567


def test_limits():
    with pytest.raises(
        InputError, match="lateral_stiffness, tilt: expected at most 64 combinations, got 9 x 8"
    ):
        Sweep(lateral_stiffness=(1.0,) * 9, tilt=(0.1,) * 8)
    with pytest.raises(InputError, match="tilt_direction: expected a tilt beside it"):
        Sweep(tilt_direction=(1.0,))
    for values in (-0.1, math.nan):
        with pytest.raises(InputError, match="tilt: expected"):
            Sweep(tilt=(values,))
    scan, tip = Scan(), Tip()
    for amplitude in (0.1, 0.25, 1e9):
        with pytest.raises(
            InputError, match=r"amplitude: expected 2 or more whole height steps|n_oscillation"
        ):
            Sweep(amplitude=(amplitude,)).variations(scan, tip, 9.0)
    with pytest.raises(InputError, match="tilt: expected less than bond_length"):
        Sweep(tilt=(4.0,)).variations(scan, tip, 9.0)
    with pytest.raises(InputError, match="expected at most 536870912 values in all stacks"):
        Sweep(tilt=(0.1,) * 64).variations(Scan(pixels=(1000, 1000)), tip, 9.0)
