import pytest

from torch_afm.config import Scan, from_dict, to_dict
from torch_afm.config.cache import CacheConfig
from torch_afm.utils import InputError


def test_settings_come_back_from_json():
    config = CacheConfig(Scan(pixels=(8, 12)), rotations=2, candidates=5, storage="uint8", compression="lzf")
    assert from_dict(CacheConfig, to_dict(config)) == config


def test_as_many_orientations_as_are_chosen_from_will_do():
    assert CacheConfig(rotations=5, candidates=5).candidates == 5
    with pytest.raises(InputError, match="candidates: expected at least 6"):
        CacheConfig(rotations=6, candidates=5)
