"""Settings of generators and their losses, and their presets."""

import dataclasses

import pytest

from torch_afm.config import (
    PRESETS,
    Scan,
    SequentialGeneratorConfig,
    SequentialLossConfig,
    SpatialGeneratorConfig,
    SpatialLossConfig,
    generator_config,
)
from torch_afm.utils import InputError


def test_presets_name_settings_of_their_network():
    assert generator_config("spatial") == SpatialGeneratorConfig()
    assert type(generator_config("small")) is SequentialGeneratorConfig
    with pytest.raises(
        InputError, match="preset: expected one of spatial, thesis, literal, small, got 'huge'"
    ):
        generator_config("huge")


def test_targets_go_down_to_the_context():
    assert SequentialGeneratorConfig(z_min=-0.6).z_targets == -0.6
    assert SpatialGeneratorConfig(z_min=-0.6, z_context=-2.0).z_targets == -2.0


def test_presets_differ():
    assert len(set(PRESETS.values())) == len(PRESETS)


#: What is refused.
REFUSED = [
    *(
        (SequentialGeneratorConfig, changes)
        for changes in (
            {"z_min": 0.7},
            {"map_channels": (32, 48)},
            {"scan": Scan(pixels=(7, 7))},
            {"attention_kernel": 2},
            {"groups": (("H",), ("H", "C"))},
        )
    ),
    *(
        (SpatialGeneratorConfig, changes)
        for changes in (
            {"z_min": 0.1},
            {"z_context": -0.5},
            {"stride": 3},
            {"channels": ()},
            {"sigma": 0.0},
            {"scan": Scan(pixels=(36, 36))},
            {"groups": ((),)},
        )
    ),
]


def test_bad_settings():
    for cls, changes in REFUSED:
        with pytest.raises(InputError, match=next(iter(changes))):
            cls(**changes)


@pytest.mark.parametrize("cls", [SequentialLossConfig, SpatialLossConfig])
def test_weights_of_a_loss_are_finite_and_not_negative(cls):
    for field in dataclasses.fields(cls):
        for value in (-1.0, float("nan"), float("inf")):
            with pytest.raises(InputError, match=f"^{field.name}: expected a finite weight"):
                cls(**{field.name: value})
