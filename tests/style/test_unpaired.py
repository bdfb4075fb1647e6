import pytest
import torch

from torch_afm.style import CycleGAN, FastCUT, GeneratorStep, UnpairedTranslation, make_method
from torch_afm.style.critic import Critic
from torch_afm.train import StyleConfig
from torch_afm.utils import InputError

SIZES = {"width": 2, "blocks": 1, "critic_width": 2, "crop": 16}


def config(method):
    return StyleConfig(method=method, **SIZES)


@pytest.fixture
def register():
    before = dict(UnpairedTranslation.registry)
    yield
    UnpairedTranslation.registry.clear()
    UnpairedTranslation.registry.update(before)


def test_methods_by_name(register):
    assert isinstance(make_method(config("cyclegan")), CycleGAN)
    assert isinstance(make_method(config("fastcut")), FastCUT)
    with pytest.raises(InputError, match="method: expected one of cyclegan, fastcut, got 'mine'"):
        make_method(config("mine"))

    class Mine(UnpairedTranslation, method="mine"):
        def __init__(self, config):
            super().__init__(config)
            self.critics["b"] = Critic(config)

        def generator_step(self, a, b):
            fake = self.translate("b", a)
            return GeneratorStep(self.critic("b").loss(fake, 1.0), {}, {"b": fake})

    assert isinstance(make_method(config("mine")), Mine)


@pytest.mark.parametrize("method", ["cyclegan", "fastcut"])
def test_no_gradient_of_the_critics_loss_in_the_generators(method):
    one = make_method(config(method))
    a, b = torch.rand(2, 1, 2, 16, 16, generator=torch.manual_seed(0)) * 2 - 1
    fake = one.generator_step(a, b).translations["b"]
    one.critic_loss("b", b, fake).backward()
    assert all(p.grad is None for p in one.generator_parameters())
    assert all(p.grad is not None for p in one.critic("b").parameters())
