import pytest

from torch_afm.config import (
    ScanLossConfig,
    SequentialLossConfig,
    SpatialLossConfig,
    from_dict,
    generator_config,
)
from torch_afm.config.nuisances import NuisanceConfig
from torch_afm.config.scenes import SceneConfig
from torch_afm.train import TrainConfig
from torch_afm.utils import InputError

#: What is refused.
REFUSED = [
    ("epochs", 0),
    ("batch_size", -1),
    ("lr", 0.0),
    ("schedule", "step"),
    ("precision", "8"),
    ("workers", -1),
    ("patience", -1),
    ("keep", 0),
    ("mutants", 0),
    ("copies", 3),
    ("epoch_samples", 7),
    ("ema", 1.0),
    ("render", "cloud"),
    ("geometry", "dft"),
    ("scenes", -1),
    ("scene", SceneConfig(water=1.0)),
]


def test_bad_settings_name_the_argument():
    for name, value in REFUSED:
        with pytest.raises(InputError, match=name):
            TrainConfig(**{"devices": 2, name: value})


def test_an_epoch_has_all_copies_of_whole_groups():
    assert TrainConfig(mutants=4, copies=8, epoch_samples=64, devices=2).copies == 8
    with pytest.raises(InputError, match=r"mutants x copies \(2 x 1 x 4 x 8\), got 32"):
        TrainConfig(mutants=4, copies=8, epoch_samples=32, devices=2)


def test_cached_stacks_are_not_rendered_on_the_device():
    with pytest.raises(InputError, match="render: expected 'workers' with a cache"):
        TrainConfig(cache="folder", render="device")


def test_scenes_are_made_of_molecules():
    with pytest.raises(InputError, match="scenes: expected 0 beside structures, got 10"):
        TrainConfig(scenes=10, structures="water")
    assert TrainConfig(scenes=10, cache="folder").scenes == 10
    with pytest.raises(InputError, match="geometry: expected 'rdkit' beside structures"):
        TrainConfig(geometry="xtb", structures="water")


def test_molecules_or_structures():
    with pytest.raises(InputError, match="molecules: expected none beside structures, got 'few\\.smi'"):
        TrainConfig(molecules="few.smi", structures="water")


def test_one_list_of_molecules_or_several():
    for lists in ("planar", ["planar"], ("planar",)):
        assert TrainConfig(molecules=lists) == TrainConfig(molecules="planar")
    mix = TrainConfig(molecules=["organic", "planar"])
    assert mix.molecules == ("organic", "planar")
    assert from_dict(TrainConfig, {"molecules": ["organic", "planar"]}) == mix


def test_total_steps_counts_the_last_short_batch():
    # 100 samples over 2 processes are 50 each: 4 batches of 16, the last one short; 3 epochs.
    assert TrainConfig(epochs=3, epoch_samples=100, batch_size=16, devices=2).total_steps == 12


def test_the_loss_is_that_of_the_network():
    assert TrainConfig().model == generator_config("spatial") and TrainConfig().loss == SpatialLossConfig()
    assert TrainConfig(model=generator_config("small")).loss == SequentialLossConfig()
    assert TrainConfig(model=generator_config("scan")).loss == ScanLossConfig()
    with pytest.raises(InputError, match="loss: expected a SpatialLossConfig for this network, got a Seq"):
        TrainConfig(loss=SequentialLossConfig())


def test_realistic_has_its_own_noise_and_ranges():
    assert TrainConfig(realistic=0.5, nuisances=NuisanceConfig(tilt=0.3)).nuisances.tilt == 0.3
    for settings, name in (
        ({"realistic": 1.2}, "realistic"),
        ({"realistic": 0.5, "cache": "somewhere"}, "realistic"),
        ({"realistic": 0.5, "augmented": 0.5}, "augmented"),
        ({"nuisances": NuisanceConfig(tilt=0.3)}, "nuisances"),
    ):
        with pytest.raises(InputError, match=f"{name}: expected .*, got"):
            TrainConfig(**settings)
