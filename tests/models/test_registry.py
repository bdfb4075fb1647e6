import json

import pytest

from torch_afm.models import SequentialGenerator, SpatialGenerator, load_generator, make_generator
from torch_afm.utils import InputError


@pytest.mark.parametrize(("name", "cls"), [("small", SequentialGenerator), ("spatial", SpatialGenerator)])
def test_weights_in_the_package_load_as_what_they_are(name, cls):
    model = load_generator(name)
    assert type(model) is cls and type(make_generator(model.config)) is cls


def test_folders_load_as_what_they_say_they_are(tmp_path):
    for name in ("small", "spatial"):
        load_generator(name).save_pretrained(tmp_path / name)
        assert type(load_generator(tmp_path / name)) is type(load_generator(name))


@pytest.mark.parametrize("text", ["", "[1]", json.dumps({"model": "SpatialGenerator"})])
def test_damaged_settings_are_one_clear_error(text, tmp_path):
    load_generator("small").save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match="weights: expected a saved"):
        load_generator(tmp_path)
