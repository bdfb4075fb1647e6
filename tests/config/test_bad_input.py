"""Settings that are refused."""

import pytest

from torch_afm.config import ForceField, Scan, Tip
from torch_afm.config.cache import CacheConfig
from torch_afm.utils import InputError

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
    (Scan, {"quadrature": "other"}, "quadrature"),
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
    *((CacheConfig, {name: 0}, name) for name in ("rotations", "draws", "file_samples")),
    (CacheConfig, {"rotations": 3, "candidates": 2}, "candidates"),
    *((CacheConfig, {name: "other"}, name) for name in ("storage", "compression")),
]


def test_bad_settings_name_the_argument():
    for make, values, name in BAD:
        with pytest.raises(InputError) as error:
            make(**values)
        assert str(error.value).startswith(name) and "\n" not in str(error.value), values
