import pytest

from torch_afm.config import (
    PRESETS,
    Scan,
    SequentialGeneratorConfig,
    SequentialLossConfig,
    SpatialGeneratorConfig,
    SpatialLossConfig,
    from_dict,
    to_dict,
)
from torch_afm.utils import InputError


@pytest.mark.parametrize("name", PRESETS)
def test_presets_come_back_from_json(name):
    config = PRESETS[name]
    assert from_dict(type(config), to_dict(config)) == config


def test_targets_reach_down_to_the_context():
    assert SequentialGeneratorConfig(z_min=-0.5).z_targets == -0.5
    assert SpatialGeneratorConfig(z_context=-2.0).z_targets == -2.0


@pytest.mark.parametrize("cls", [SequentialGeneratorConfig, SpatialGeneratorConfig])
def test_the_surface_cut_is_below_the_top_atom(cls):
    with pytest.raises(InputError, match="z_min"):
        cls(z_min=0.1)


def test_pixels_halve_from_level_to_level():
    with pytest.raises(InputError, match="scan: expected pixels that halve 3 times"):
        SequentialGeneratorConfig(scan=Scan(pixels=(4, 64)))


@pytest.mark.parametrize("cls", [SequentialLossConfig, SpatialLossConfig])
@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_weights_of_a_loss_are_finite_and_not_negative(cls, weight):
    for name in to_dict(cls()):
        with pytest.raises(InputError, match=f"{name}: expected a finite weight"):
            cls(**{name: weight})
