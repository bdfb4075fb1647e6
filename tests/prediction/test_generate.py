"""One function for both searches and every network."""

import pytest
import torch

from tests.prediction.networks import SCAN, THIN, Z_TOP, Oracle, Script, by_place
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction import generate
from torch_afm.testing import benzene
from torch_afm.utils import InputError


@pytest.fixture(scope="module")
def renderer():
    return ProbeParticleModel(SCAN)


@pytest.fixture(scope="module")
def reference(renderer):
    return renderer(benzene(), z_top=Z_TOP)


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_both_searches_find_what_the_network_knows(search, reference, renderer):
    truth, model = benzene(), Oracle(benzene()).train()
    found = generate(model, reference, renderer, Z_TOP, search=search, views=1)
    assert by_place(found.graph.z, found.graph.pos) == by_place(truth.z, truth.pos)
    assert model.training and torch.is_grad_enabled()
    assert bool(found.search) == (search == "beam")


def test_a_network_of_one_atom_a_step():
    renderer = ProbeParticleModel(THIN)
    script = Script((2, (0.5, 0.5, 0.0), ()))
    found = generate(script, renderer(benzene(), z_top=Z_TOP), renderer, Z_TOP)
    assert [len(step.added.z) for step in found.steps] == [1, 0]


BAD = [
    ({"search": "depth"}, "search: expected 'greedy' or 'beam', got 'depth'"),
    ({"max_atoms": -1}, "max_atoms, revisions: expected 0 or more"),
    ({"revisions": -1}, "max_atoms, revisions: expected 0 or more"),
    ({"views": 3}, "views: expected 1 or 4 or 8"),
    ({"search": "beam", "width": 0}, "width: expected 1 or more, got 0"),
]


def test_bad_settings(reference, renderer):
    for options, message in BAD:
        with pytest.raises(InputError, match=message):
            generate(Oracle(benzene()), reference, renderer, Z_TOP, **options)
