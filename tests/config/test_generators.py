import pytest

from torch_afm.config import (
    PRESETS,
    Scan,
    ScanGeneratorConfig,
    ScanLossConfig,
    SequentialGeneratorConfig,
    SequentialLossConfig,
    SpatialGeneratorConfig,
    SpatialLossConfig,
    from_dict,
    generator_config,
    to_dict,
)
from torch_afm.utils import InputError


def test_presets_name_settings_of_their_network():
    assert generator_config("spatial") == SpatialGeneratorConfig()
    assert generator_config("scan") == ScanGeneratorConfig()
    assert type(generator_config("small")) is SequentialGeneratorConfig
    with pytest.raises(
        InputError, match="preset: expected one of spatial, scan, thesis, literal, small, got 'huge'"
    ):
        generator_config("huge")


@pytest.mark.parametrize("name", PRESETS)
def test_presets_come_back_from_json(name):
    config = PRESETS[name]
    assert from_dict(type(config), to_dict(config)) == config


def test_targets_reach_down_to_the_context():
    assert SequentialGeneratorConfig(z_min=-0.5).z_targets == -0.5
    for cls in (SpatialGeneratorConfig, ScanGeneratorConfig):
        assert cls(z_context=-2.0).z_targets == -2.0


@pytest.mark.parametrize("cls", [SequentialGeneratorConfig, SpatialGeneratorConfig, ScanGeneratorConfig])
def test_the_surface_cut_is_below_the_top_atom(cls):
    with pytest.raises(InputError, match="z_min"):
        cls(z_min=0.1)


def test_pixels_halve_from_level_to_level():
    with pytest.raises(InputError, match="scan: expected pixels that halve 3 times"):
        SequentialGeneratorConfig(scan=Scan(pixels=(4, 64)))


@pytest.mark.parametrize("cls", [SequentialLossConfig, SpatialLossConfig, ScanLossConfig])
@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_weights_of_a_loss_are_finite_and_not_negative(cls, weight):
    for name in to_dict(cls()):
        with pytest.raises(InputError, match=f"{name}: expected a finite weight"):
            cls(**{name: weight})


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
    *(
        (ScanGeneratorConfig, changes)
        for changes in (
            {"z_min": 0.1},
            {"z_context": -0.5},
            {"channels": ()},
            {"sigma": 0.0},
            {"scan": Scan(window=((0.0, 15.0), (0.0, 15.0)), pixels=(61, 61))},
            {"scan": Scan(window=((0.0, 15.0), (0.0, 8.0)), pixels=(64, 64))},
            {"groups": ((),)},
        )
    ),
    (ScanLossConfig, {"depth": 0.0}),
]


def test_bad_settings():
    for cls, changes in REFUSED:
        with pytest.raises(InputError, match=next(iter(changes))):
            cls(**changes)
