import pytest

from torch_afm.config.nuisances import NuisanceConfig
from torch_afm.utils import InputError

BAD = {
    "scale": 0.6,
    "shear": -0.1,
    "probes": (0.0, 0.0, 0.0),
    "depth": (0.02, 0.005),
    "stiffness": (0.0, 1.0),
    "quadrupole": (0.4, 0.8, 1.2),
    "tilt": float("nan"),
    "charge": (-0.1, 1.0),
    "neutral": 1.5,
    "height": (-2.0, 0.5),
    "amplitude": (0.0, 4.0),
    "amplitude_known": -0.1,
    "slices": (0, 20),
    "step": (0.0, 0.1),
    "uneven": 1.0,
    "span": -1.0,
    "window": (40.0, 8.0),
    "double_tip": 2.0,
    "drift": -0.1,
    "noise": (0.0, 0.1),
    "rows": -0.1,
    "inverted": 1.1,
}


@pytest.mark.parametrize("name", BAD)
def test_refuses_what_cannot_be_drawn(name):
    with pytest.raises(InputError, match=f"{name}: expected .*, got"):
        NuisanceConfig(**{name: BAD[name]})


def test_refuses_a_fraction_of_a_slice():
    with pytest.raises(
        InputError, match=r"slices: expected .low, high. within 1 to 100 slices, got .1, 2.5."
    ):
        NuisanceConfig(slices=(1, 2.5))
