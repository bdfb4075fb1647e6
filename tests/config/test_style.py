import json

import pytest

from torch_afm.config import Scaling, TranslatorConfig, from_dict, to_dict
from torch_afm.train import StyleConfig
from torch_afm.utils import InputError

#: What is refused.
REFUSED = [
    ("epochs", 0),
    ("decay_epochs", -1),
    ("batch_size", 0),
    ("lr", 0.0),
    ("pool", -1),
    ("validation", 3),
    ("crop", 30),
    ("crop", 8),
    ("slices", 0),
    ("every", 0),
    ("lambda_cycle", -1.0),
]


def test_bad_settings_name_the_argument():
    for name, value in REFUSED:
        with pytest.raises(InputError, match=name):
            StyleConfig(**{name: value})


def test_a_context_needs_its_slices():
    with pytest.raises(InputError, match="slices: expected at least 3"):
        StyleConfig(context=1, slices=2)
    assert StyleConfig(context=1, slices=3).translator.context == 1


def test_the_defaults_are_the_published_settings():
    config = StyleConfig()
    assert config.translator == TranslatorConfig(width=16, blocks=6, tile=192, overlap=48)
    assert (config.lambda_cycle, config.lambda_identity, config.pool) == (20, 1, 50)
    assert (config.lr, config.batch_size, config.total_epochs) == (2e-4, 1, 200)


def test_round_trip_through_json():
    config = StyleConfig(target=Scaling("fixed", -20.0, 3.0))
    assert from_dict(StyleConfig, json.loads(json.dumps(to_dict(config)))) == config
