from dataclasses import FrozenInstanceError

import pytest

from torch_afm.metrics.structure import StructureSettings
from torch_afm.utils import InputError

#: What is refused.
REFUSED = [
    {"center": "Xy"},
    {"donors": ("O", "?")},
    {"free": "yes"},
    {"partners": "same"},
    {"pair_cutoff": 0.0},
    {"hbond_cutoff": float("nan")},
    {"reach": float("inf")},
    {"reach": 3.0},
    {"visible_depth": -1.0},
    {"hbond_angle": 181.0},
    {"layer": (3.0, 2.0)},
    {"layer": (3.0,)},
    {"normal": (0.0, 0.0, 0.0)},
    {"normal": (0.0, 1.0)},
]


def test_refused():
    for arguments in REFUSED:
        name = next(iter(arguments))
        with pytest.raises(InputError, match="element" if name in ("center", "donors") else name):
            StructureSettings(**arguments)


def test_frozen():
    with pytest.raises(FrozenInstanceError):
        StructureSettings().center = "N"


def test_overrides():
    published = StructureSettings.huang2025(order_cutoff=4.5)
    assert (published.order_cutoff, published.free, published.periodic) == (4.5, "published", False)
    assert StructureSettings.visible().visible_depth == 3.0
    assert StructureSettings.visible(visible_depth=2.0).visible_depth == 2.0
