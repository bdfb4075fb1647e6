import pytest
import torch

from torch_afm.generation import generate, generate_greedy, generate_spatial
from torch_afm.models import load_generator
from torch_afm.ppm import ProbeParticleModel
from torch_afm.testing import water

pytestmark = pytest.mark.learnt


@pytest.mark.parametrize(("name", "own"), [("small", generate_greedy), ("spatial", generate_spatial)])
def test_is_the_generation_of_the_network(name, own):
    model = load_generator(name)
    renderer = ProbeParticleModel(model.config.scan)
    stack = renderer(water(), z_top=8.5)
    found, expected = (
        generate(model, stack, renderer, 8.5, max_atoms=3),
        own(model, stack, renderer, 8.5, max_atoms=3),
    )
    assert type(found) is type(expected) and found.graph.z.numel() <= 3
    n = min(found.steps[-1].graph.z.numel(), expected.steps[-1].graph.z.numel())
    assert torch.equal(found.steps[0].simulated, expected.steps[0].simulated)
    assert torch.equal(found.steps[-1].graph.pos[:n], expected.steps[-1].graph.pos[:n])
