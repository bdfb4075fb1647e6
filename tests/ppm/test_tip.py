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
    moments = TipParameters.from_tips(Tip()).arrays().moments()
    np.testing.assert_allclose(moments, K * np.array([[0, 0, -0.2, 0, -0.002]]), rtol=1e-12)
    assert (moments[:, [0, 1, 3]] == 0).all()


def test_moments_reproduce_the_potential_of_the_charges():
    tip = Tip(charges=(0.3, -0.5, 1.0), charge_heights=(0.1, 0.02, -0.07))
    d = np.array([1.0, -2.0, 3.0])
    r = np.linalg.norm(d)
    legendre = [np.polynomial.legendre.Legendre.basis(order)(d[2] / r) for order in range(5)]
    series = TipParameters.from_tips(tip).arrays().moments()[0] @ (legendre / r ** np.arange(1, 6))
    exact = sum(
        K * q / np.linalg.norm(d + np.array([0, 0, h]))
        for q, h in zip(tip.charges, tip.charge_heights, strict=True)
    )
    assert series == pytest.approx(exact, rel=1e-7)


def test_tips_of_different_size_are_padded():
    tips = [[Tip()], [Tip(charges=(0.1,), charge_heights=(0.5,))], [Tip(charges=(), charge_heights=())]]
    arrays = TipParameters.from_tips(tips).arrays()
    assert arrays.charges.shape == (3, 3)
    np.testing.assert_allclose(arrays.charges.sum(1), [0, 0.1 * K, 0], atol=1e-12)
    np.testing.assert_allclose(arrays.moments().sum(1) / K, [-0.202, 0, 0], atol=1e-12)
    np.testing.assert_allclose(arrays.sites(), [[[0, 0.1]], [[0.1 * K, 0.5]], [[0, 0]]])


def test_springs_in_electronvolts():
    tip = Tip(stiffness=(0.2, 0.3, 0.1), radial_stiffness=20.0, tilt=(0.3, -0.4))
    springs = TipParameters.from_tips(tip).arrays().springs[0]
    np.testing.assert_allclose(springs[:4] * 16.0217662, [0.2, 0.3, 0.1, 20.0])
    np.testing.assert_allclose(springs[4:], [4.0, 0.3, -0.4, -np.sqrt(16 - 0.25)])


def test_graph_by_graph_and_channel_by_channel():
    a, b, c, d = (Tip(tilt=(0.1 * i, 0.0)) for i in range(4))
    tips = TipParameters.from_tips([[a, b], [c, d]])
    assert tips.probe == (a, b, c, d) and tips.n_channels == 2
    assert tips.expand(2).tilt[:, 0].tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3])
    every = TipParameters.from_tips([[a, b]]).expand(3)
    assert every.tilt[:, 0].tolist() == pytest.approx([0.0, 0.1] * 3)
    assert every.probe == (a, b) * 3 and every.n_channels == 2


BAD = [
    ({"stiffness": torch.ones(1, 2)}, "stiffness"),
    ({"charge_heights": torch.ones(1, 2)}, "charge_heights"),
    ({"tilt": torch.tensor([[0.0, float("nan")]])}, "tilt"),
    ({"radial_stiffness": torch.zeros(1)}, "radial_stiffness"),
    ({"radial_stiffness": torch.tensor([3e5])}, "radial_stiffness"),
    ({"tilt": torch.tensor([[3.0, 3.0]])}, "tilt"),
    ({"n_channels": 2}, "n_channels"),
]


def test_bad_parameters_name_the_argument():
    three = TipParameters.from_tips([[Tip()]] * 3)
    makes = [(lambda f=fields: replace(TipParameters.from_tips(Tip()), **f), name) for fields, name in BAD]
    tips = ([Tip(), Tip()], [], [[]], [[Tip()], [Tip(), Tip()]], [[Tip(), None]], 3)
    makes += [(lambda t=t: TipParameters.from_tips(t), "tip") for t in tips]
    for make, name in [*makes, (lambda: three.expand(2), "tip")]:
        with pytest.raises(InputError) as error:
            make()
        assert str(error.value).startswith(name)
