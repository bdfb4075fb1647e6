import json

import pytest

from torch_afm.models import GraphGenerator, SpatialGenerator
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt


@pytest.mark.parametrize(
    ("kind", "other"), [(GraphGenerator, "spatial"), (SpatialGenerator, "small")], ids=["graph", "spatial"]
)
def test_weights_of_the_other_network_are_refused(kind, other):
    with pytest.raises(
        InputError, match=f"name: expected a saved {kind.__name__} in .*{other}, got: weights of a"
    ):
        kind.from_pretrained(other)


def test_files_name_their_network(tmp_path):
    model = SpatialGenerator.from_pretrained("spatial")
    model.save_pretrained(tmp_path)
    settings = json.loads((tmp_path / "config.json").read_text())
    assert settings.pop("model") == "SpatialGenerator"
    assert settings["stride"] == model.config.stride
    again = SpatialGenerator.from_pretrained(tmp_path)
    assert again.config == model.config
    assert all((a == b).all() for a, b in zip(again.parameters(), model.parameters(), strict=True))
