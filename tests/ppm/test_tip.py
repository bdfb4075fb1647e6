from dataclasses import replace

import numpy as np
import pytest
import torch

from torch_afm.config import Tip
from torch_afm.ppm.tip import TipParameters
from torch_afm.utils import InputError

K = 14.399644


def test_moments_of_the_co_tip():
    # (-10, 20, -10) e at (0.1, 0, -0.1) Å: a quadrupole of -0.2 e Å² and a hexadecapole of -0.002 e Å⁴.
    moments = TipParameters.from_tips([Tip()]).arrays().moments()
    np.testing.assert_allclose(moments, K * np.array([[0, 0, -0.2, 0, -0.002]]), rtol=1e-12)
    assert (moments[:, [0, 1, 3]] == 0).all()


def test_moments_reproduce_the_potential_of_the_charges():
    tip = Tip(charges=(0.3, -0.5, 1.0), charge_heights=(0.1, 0.02, -0.07))
    d = np.array([1.0, -2.0, 3.0])
    r = np.linalg.norm(d)
    legendre = [np.polynomial.legendre.Legendre.basis(order)(d[2] / r) for order in range(5)]
    series = TipParameters.from_tips([tip]).arrays().moments()[0] @ (legendre / r ** np.arange(1, 6))
    exact = sum(
        K * q / np.linalg.norm(d + np.array([0, 0, h]))
        for q, h in zip(tip.charges, tip.charge_heights, strict=True)
    )
    assert series == pytest.approx(exact, rel=1e-7)


def test_tips_of_different_size_are_padded():
    tips = [Tip(), Tip(charges=(0.1,), charge_heights=(0.5,)), Tip(charges=(), charge_heights=())]
    arrays = TipParameters.from_tips(tips).arrays()
    assert arrays.charges.shape == (3, 3)
    np.testing.assert_allclose(arrays.charges.sum(1), [0, 0.1 * K, 0], atol=1e-12)
    np.testing.assert_allclose(arrays.moments().sum(1) / K, [-0.202, 0, 0], atol=1e-12)
    np.testing.assert_allclose(arrays.sites(), [[[0, 0.1]], [[0.1 * K, 0.5]], [[0, 0]]])


def test_springs_in_electronvolts():
    tip = Tip(stiffness=(0.2, 0.3, 0.1), radial_stiffness=20.0, tilt=(0.3, -0.4))
    springs = TipParameters.from_tips([tip]).arrays().springs[0]
    np.testing.assert_allclose(springs[:4] * 16.0217662, [0.2, 0.3, 0.1, 20.0])
    np.testing.assert_allclose(springs[4:], [4.0, 0.3, -0.4, -np.sqrt(16 - 0.25)])


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("stiffness: expected shape", {"stiffness": torch.ones(1, 2)}),
        ("charge_heights: expected shape", {"charge_heights": torch.ones(1, 2)}),
        ("tilt: expected finite", {"tilt": torch.tensor([[0.0, float("nan")]])}),
        ("expected positive springs", {"radial_stiffness": torch.zeros(1)}),
        ("tilt: expected less", {"tilt": torch.tensor([[3.0, 3.0]])}),
    ],
)
def test_bad_parameters_are_one_clear_line(message, fields):
    with pytest.raises(InputError, match=message):
        replace(TipParameters.from_tips([Tip()]), **fields)


def test_channels_of_other_counts_are_refused():
    three = TipParameters.from_tips([Tip()] * 3)
    with pytest.raises(InputError, match="tip: expected one tip or one per graph"):
        TipParameters.interleave((three,), 2)
