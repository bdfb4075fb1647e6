"""Options of an identification."""

import pytest

from torch_afm.config import IdentifyOptions, from_dict, to_dict
from torch_afm.utils import InputError


def test_they_survive_json():
    options = IdentifyOptions(conformers=2, xtb=True, seed=3)
    assert from_dict(IdentifyOptions, to_dict(options)) == options


@pytest.mark.parametrize("name", ["conformers", "compared", "fits", "starts"])
def test_numbers_are_positive(name):
    with pytest.raises(InputError, match=rf"^{name}: expected 1 or more, got 0"):
        IdentifyOptions(**{name: 0})


def test_seeds():
    with pytest.raises(InputError, match=r"^seed: "):
        IdentifyOptions(seed=-1)
