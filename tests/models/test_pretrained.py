import json

import pytest

from torch_afm.models import SequentialGenerator, SpatialGenerator, load_generator
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt


@pytest.mark.parametrize(
    ("cls", "other"),
    [(SequentialGenerator, "spatial"), (SpatialGenerator, "small")],
    ids=["sequential", "spatial"],
)
def test_weights_of_the_other_network_are_refused(cls, other):
    with pytest.raises(
        InputError, match=f"weights: expected a saved {cls.__name__} in .*{other}, got: weights of a"
    ):
        cls.from_pretrained(other)


def test_files_name_their_network(tmp_path):
    model = SpatialGenerator.from_pretrained("spatial")
    model.save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    assert settings.pop("model") == "SpatialGenerator"
    assert settings["stride"] == model.config.stride
    again = SpatialGenerator.from_pretrained(tmp_path)
    assert again.config == model.config
    assert all((a == b).all() for a, b in zip(again.parameters(), model.parameters(), strict=True))


@pytest.mark.parametrize("old", [{}, {"model": "GraphGenerator"}])
def test_weights_by_an_old_name(old, tmp_path):
    SequentialGenerator.from_pretrained("small").save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    assert settings.pop("model") == "SequentialGenerator"
    (tmp_path / "config.json").write_text(json.dumps(settings | old))
    assert type(load_generator(tmp_path)) is SequentialGenerator
