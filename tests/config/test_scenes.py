import subprocess
import sys

import pytest

from torch_afm.config import from_dict, to_dict
from torch_afm.config.scenes import ARRANGEMENTS, SceneConfig
from torch_afm.utils import InputError


def test_settings_go_through_json():
    config = SceneConfig(alone=0, molecules=(1, 3), metals=("Ag",))
    assert from_dict(SceneConfig, to_dict(config)) == config
    assert all(getattr(SceneConfig(), name) > 0 for name in ARRANGEMENTS)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"alone": -1.0}, "alone, several, island, layer, water: expected weights"),
        (dict.fromkeys(ARRANGEMENTS, 0.0), "expected weights, not negative and not all zero"),
        ({"planar": 1.5}, "planar: expected a share"),
        ({"water_layers": float("nan")}, "water_layers: expected a share"),
        ({"molecules": (5, 2)}, "molecules: expected .low, high. within 1 to 50"),
        ({"gap": (-3.0, 0.0)}, "gap: expected"),
        ({"height": (3.0,)}, "height: expected"),
        ({"tilt": 90.0}, "tilt: expected 0 to 30"),
        ({"bent": -0.1}, "bent: expected a share"),
        ({"bend": 1.5}, "bend: expected 0 to 1, got 1.5"),
        ({"beyond": -1.0}, "beyond: expected 0 to 50"),
        ({"species": 0}, "species, min_atoms: expected at least 1"),
        ({"metals": ("Fe",)}, "metals: expected some of Cu, Ag, Au, got"),
        ({"metals": ()}, "metals: expected some of"),
    ],
)
def test_bad_ranges(settings, words):
    with pytest.raises(InputError, match=words):
        SceneConfig(**settings)


def test_settings_are_read_without_torch():
    code = "import sys, torch_afm.config.scenes; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
