import json

import numpy as np
import pytest

from torch_afm.config import Scan, Tip, from_dict, to_dict
from torch_afm.utils import InputError


@pytest.mark.parametrize("config", [Scan(pixels=(32, 48), weights="ppafm"), Tip(probe="Xe", tilt=(0.1, 0.2))])
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
    ],
)
def test_bad_settings_name_the_argument(cls, values, name):
    with pytest.raises(InputError, match=name):
        cls(**values)
