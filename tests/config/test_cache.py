"""Settings of rendered training data."""

import json

import pytest

from torch_afm.config import Scan, Tip, from_dict, to_dict
from torch_afm.config.cache import CacheConfig
from torch_afm.utils import InputError


def test_json_round_trip():
    config = CacheConfig(Scan(pixels=(8, 8)), Tip(probe="Xe"), rotations=2, storage="uint8", seed=3)
    assert from_dict(CacheConfig, json.loads(json.dumps(to_dict(config)))) == config


BAD = [
    *(({name: 0}, name) for name in ("rotations", "draws", "file_samples")),
    ({"rotations": 3, "candidates": 2}, "candidates"),
    *(({name: "other"}, name) for name in ("storage", "compression")),
]


def test_bad_settings_name_the_argument():
    for values, name in BAD:
        with pytest.raises(InputError) as error:
            CacheConfig(**values)
        assert str(error.value).startswith(name) and "\n" not in str(error.value), values


def test_as_many_orientations_as_are_chosen_from_will_do():
    assert CacheConfig(rotations=5, candidates=5).candidates == 5
    with pytest.raises(InputError, match="candidates: expected at least 6"):
        CacheConfig(rotations=6, candidates=5)
