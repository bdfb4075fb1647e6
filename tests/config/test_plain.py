import json

import pytest

from torch_afm.config import (
    ForceField,
    Scan,
    SequentialGeneratorConfig,
    Tip,
    from_dict,
    generator_config,
    to_dict,
)
from torch_afm.utils import InputError


@pytest.mark.parametrize(
    "config",
    [
        Scan(pixels=(32, 48), quadrature="ppafm", substeps=3),
        Tip(probe="Xe", tilt=(0.1, 0.2)),
        Tip(radius=1.7, depth=0.01),
        generator_config("small"),
        ForceField((("Au", 1.6, 0.0017), ("C", 1.9, 0.004))),
    ],
)
def test_json_round_trip(config):
    assert from_dict(type(config), json.loads(json.dumps(to_dict(config)))) == config


def test_unknown_key_is_named():
    with pytest.raises(InputError, match=r"Scan: unknown setting.*pixel_size"):
        from_dict(Scan, {"pixel_size": 1})


def test_settings_of_before_substeps_have_one():
    values = to_dict(Scan(dz=0.2))
    del values["substeps"]
    assert from_dict(Scan, values) == Scan(dz=0.2, substeps=1)


def test_stored_scans_have_the_former_name_of_their_quadrature():
    values = to_dict(Scan(quadrature="ppafm"))
    values["weights"] = values.pop("quadrature")
    assert from_dict(Scan, values) == Scan(quadrature="ppafm")
    nested = {"scan": {"weights": "ppafm"}}
    assert from_dict(SequentialGeneratorConfig, nested).scan == Scan(quadrature="ppafm")
