import pytest
import torch

from torch_afm.config import SpatialGeneratorConfig, generator_config
from torch_afm.data import AFMData
from torch_afm.models import Generator, Proposal, Revision, SpatialGenerator, Step, make_generator
from torch_afm.utils import InputError


def atoms(*elements: int) -> AFMData:
    return AFMData(z=torch.tensor(elements), pos=torch.zeros(len(elements), 3))


def step(added, proposed, done=False, revised=None):
    return Step(atoms(), torch.zeros(1), Proposal(proposed, 0.25, done, revised=revised), added)


def test_the_decision_of_a_step():
    revised = Revision(torch.empty(0, 3), torch.empty(0), torch.empty(2, 0), torch.empty(0))
    assert step(atoms(6, 1, 1), atoms(6, 1, 1, 8)).decision == "→ 1 C 2 H"
    assert step(atoms(), atoms(8), done=True).decision == "stop 0.25"
    assert step(atoms(), atoms(8)).decision == "→ 1 O" and len(step(atoms(), atoms(8)).refused) == 1
    # A network that revises its atoms is not ended by a single one.
    assert len(step(atoms(), atoms(8), revised=revised).refused) == 0
    assert len(step(atoms(6), atoms(6)).refused) == 0


@pytest.mark.parametrize(
    ("preset", "views", "context", "z_targets"),
    [("small", (1,), False, -0.7), ("spatial", (1, 4, 8), True, -3.0), ("scan", (1, 4, 8), True, -3.0)],
)
def test_what_a_network_can_do(preset, views, context, z_targets):
    model = make_generator(generator_config(preset))
    assert (model.views, model.has_context, model.z_targets) == (views, context, z_targets)
    assert model.check_views(None) == views[-1] and model.check_views(1) == 1
    with pytest.raises(InputError, match="views: expected 1"):
        model.check_views(2)
    loss = model.make_loss()
    assert loss.config == model.LossConfig()


@pytest.mark.parametrize("training", [True, False])
def test_evaluating_restores_the_mode(training):
    model = SpatialGenerator(SpatialGeneratorConfig(channels=(4,), query_channels=4)).train(training)
    with pytest.raises(RuntimeError, match="stop"), model.evaluating():
        assert not model.training and not torch.is_grad_enabled()
        raise RuntimeError("stop")
    assert model.training is training and torch.is_grad_enabled()


def test_a_generator_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        Generator(generator_config("small"))
