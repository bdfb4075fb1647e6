"""The one function that generates: its two searches, its settings."""

import math

import pytest
from torch import Tensor

from tests.prediction.networks import SCAN, Z_TOP, Oracle
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction import generate
from torch_afm.testing import benzene
from torch_afm.utils import InputError


@pytest.fixture(scope="module")
def renderer() -> ProbeParticleModel:
    return ProbeParticleModel(SCAN)


@pytest.fixture(scope="module")
def reference(renderer) -> Tensor:
    return renderer(benzene(), z_top=Z_TOP)


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_both_searches_find_what_a_network_is_sure_of(search, reference, renderer):
    found = generate(Oracle(benzene()), reference, renderer, Z_TOP, search=search, views=1)
    assert sorted(found.graph.z.tolist()) == sorted(benzene().z.tolist())
    assert bool(found.search) == (search == "beam")


BAD = [
    ({"search": "depth"}, "search: expected 'greedy' or 'beam', got 'depth'"),
    ({"confidence": -0.1}, "confidence"),
    ({"search": "beam", "image_weight": -1.0}, "width, image_weight"),
    ({"atoms_per_step": 0}, "atoms_per_step"),
    ({"revisions": -1}, "revisions"),
    ({"max_atoms": -1}, "max_atoms"),
    ({"views": 3}, "views"),
    ({"search": "beam", "width": 0}, "width"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_settings(options, message, reference, renderer):
    with pytest.raises(InputError, match=message):
        generate(Oracle(benzene()), reference, renderer, Z_TOP, **options)


def test_a_network_that_gives_no_numbers(reference, renderer):
    with pytest.raises(InputError, match="model: heatmap"):
        generate(Oracle(benzene(), logit=math.nan), reference, renderer, Z_TOP, views=1)
