"""The vector of unknowns and the molecule it stands for."""

import pytest
import torch

from torch_afm.config import Tip
from torch_afm.generation.refinement.unknowns import State, Unknowns, fitted_tip
from torch_afm.ppm import TipParameters
from torch_afm.testing import water


def unknowns(pos=0.2, charge=0.1):
    state = State(water(), TipParameters.from_tips(Tip(tilt=(0.1, 0.0))), 8.0)
    return Unknowns(state, torch.full((3, 3), pos), charge, 0.25, 0.15, 2)


def test_zero_is_the_start():
    u = unknowns()
    data, tip, z_top = u.state(torch.zeros(17, dtype=torch.float64))
    assert data.pos.equal(water().pos) and data.charge.equal(water().charge) and z_top == 8.0
    assert fitted_tip(tip) == Tip(tilt=(0.1, 0.0))


def test_entries_count_in_standard_deviations():
    x = torch.zeros(17, dtype=torch.float64)
    x[4], x[10], x[13], x[14], x[15:] = 1.0, -2.0, 1.0, 2.0, torch.tensor([3.0, 4.0])
    u = unknowns()
    data, tip, z_top = u.state(x)
    expected = water().pos
    expected[1, 1] += 0.2
    torch.testing.assert_close(data.pos, expected)
    assert float(data.charge[1] - water().charge[1]) == pytest.approx(-0.2)
    assert tip.tilt[0].tolist() == pytest.approx([0.1, 0.25])
    assert z_top == pytest.approx(8.3)
    assert u.weights(x).tolist() == [3.0, 4.0]


def test_held_entries():
    free = unknowns(pos=0.0, charge=0.0).free
    assert not free[:12].any() and free[12:].all()


def test_no_tilt_of_a_bond_length():
    x = torch.zeros(17, dtype=torch.float64)
    x[12] = 100.0
    assert float(unknowns().state(x).tip.tilt.norm()) == pytest.approx(2.0)
