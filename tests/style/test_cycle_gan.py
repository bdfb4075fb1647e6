import pytest
import torch

from torch_afm.config import Scaling
from torch_afm.style import CycleGAN
from torch_afm.train import StyleConfig

pytestmark = pytest.mark.learnt

SIZES = {"width": 2, "blocks": 1, "critic_width": 2, "crop": 16}


def gan(**settings):
    torch.manual_seed(0)
    return CycleGAN(StyleConfig(**(SIZES | settings))).double()


def stacks():
    generator = torch.manual_seed(1)
    return tuple(torch.rand(1, 2, 16, 16, generator=generator).double() * 2 - 1 for _ in range(2))


def test_published_sizes():
    published = CycleGAN(StyleConfig())
    for domain in "ab":
        assert sum(p.numel() for p in published.translator(domain).parameters()) == 490_945
        assert sum(p.numel() for p in published.critic(domain).parameters()) == 42_353


def test_losses_written_out():
    one, (a, b) = gan(lambda_cycle=7.0, lambda_identity=0.5), stacks()
    step = one.generator_step(a, b)

    def g(x):
        return one.translator("b").generator(x.reshape(2, 1, 16, 16)).reshape(1, 2, 16, 16)

    def f(x):
        return one.translator("a").generator(x.reshape(2, 1, 16, 16)).reshape(1, 2, 16, 16)

    torch.testing.assert_close(step.translations["b"], g(a))
    torch.testing.assert_close(step.translations["a"], f(b))
    scores_b = one.critic("b").patches(g(a).reshape(2, 1, 16, 16))
    scores_a = one.critic("a").patches(f(b).reshape(2, 1, 16, 16))
    adversarial = ((scores_b - 1) ** 2).mean() + ((scores_a - 1) ** 2).mean()
    cycle = (f(g(a)) - a).abs().mean() + (g(f(b)) - b).abs().mean()
    identity = (g(b) - b).abs().mean() + (f(a) - a).abs().mean()
    torch.testing.assert_close(step.loss, adversarial + 7 * cycle + 3.5 * identity)
    real = one.critic("b").patches(b.reshape(2, 1, 16, 16))
    expected = (((real - 1) ** 2).mean() + (scores_b**2).mean()) / 2
    torch.testing.assert_close(one.critic_loss("b", b, step.translations["b"]), expected)


def test_noise_goes_into_the_translation_to_b_alone():
    one = CycleGAN(StyleConfig(**SIZES, noise=True, seed=1))
    assert one.translator("b").generator.in_channels == 3 and one.translator("a").generator.in_channels == 1
    a = stacks()[0].float()
    same, again = one.translate("b", a), one.translate("b", a)
    assert same.shape == a.shape and not torch.equal(same, again)
    translator = one.translator("b")
    expected = translator.generator(translator.images(a, torch.Generator().manual_seed(1))).view_as(a)
    torch.testing.assert_close(same, expected)


def test_back_translation_has_the_scalings_exchanged():
    config = StyleConfig(**SIZES, source=Scaling("stack"), target=Scaling("fixed", -3, 4))
    back = CycleGAN(config).translator("a").config
    assert back.source == config.target and back.target == config.source
