import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from torch_afm.config import Scaling, TranslatorConfig
from torch_afm.style import CycleGAN, ImagePool
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt


def gan(**settings):
    torch.manual_seed(0)
    config = TranslatorConfig(width=2, blocks=1, context=settings.pop("context", 0))
    return CycleGAN(config, critic_width=2, **settings).double()


def stacks():
    generator = torch.manual_seed(1)
    return tuple(torch.rand(1, 2, 16, 16, generator=generator).double() * 2 - 1 for _ in range(2))


def test_published_sizes():
    published = CycleGAN()
    for network, count in (
        (published.to_b, 490_945),
        (published.to_a, 490_945),
        (published.critic_a, 42_353),
        (published.critic_b, 42_353),
    ):
        assert sum(p.numel() for p in network.parameters()) == count


def test_losses_written_out():
    one, (a, b) = gan(lambda_cycle=7.0, lambda_identity=0.5), stacks()
    terms, fake_b, fake_a = one.generators(a, b)

    def g(x):
        return one.to_b.generator(x.reshape(2, 1, 16, 16)).reshape(1, 2, 16, 16)

    def f(x):
        return one.to_a.generator(x.reshape(2, 1, 16, 16)).reshape(1, 2, 16, 16)

    torch.testing.assert_close(fake_b, g(a))
    torch.testing.assert_close(fake_a, f(b))
    scores_b, scores_a = one.critic_b(g(a).reshape(2, 1, 16, 16)), one.critic_a(f(b).reshape(2, 1, 16, 16))
    adversarial = ((scores_b - 1) ** 2).mean() + ((scores_a - 1) ** 2).mean()
    cycle = (f(g(a)) - a).abs().mean() + (g(f(b)) - b).abs().mean()
    identity = (g(b) - b).abs().mean() + (f(a) - a).abs().mean()
    torch.testing.assert_close(terms.total, adversarial + 7 * cycle + 3.5 * identity)
    real = one.critic_b(b.reshape(2, 1, 16, 16))
    expected = (((real - 1) ** 2).mean() + (scores_b**2).mean()) / 2
    torch.testing.assert_close(one.discriminator(one.critic_b, b, fake_b), expected)


def test_no_gradient_of_the_critics_loss_in_the_generators():
    one, (a, b) = gan(), stacks()
    _, fake_b, _ = one.generators(a, b)
    one.discriminator(one.critic_b, b, fake_b).backward()
    assert all(p.grad is None for p in one.to_b.parameters())
    assert all(p.grad is not None for p in one.critic_b.parameters())


def test_with_a_context_the_critic_sees_neighbors():
    one, (a, b) = gan(context=1), stacks()
    swapped = b.flip(1)
    assert not torch.isclose(*(one.discriminator(one.critic_b, x, a) for x in (b, swapped)))
    plain = gan()
    torch.testing.assert_close(*(plain.discriminator(plain.critic_b, x, a) for x in (b, swapped)))


def test_detail_that_the_critic_sees_written_out():
    one, (a, b) = gan(detail=True), stacks()
    scores = []
    for stack in (a, b):
        fine = [10 * (s - uniform_filter(s, 3, mode="nearest")) for s in stack[0].numpy()]
        scores.append(one.critic_a(torch.stack([stack[0], torch.tensor(np.array(fine))], dim=1)))
    expected = ((scores[0] - 1).square().mean() + scores[1].square().mean()) / 2
    torch.testing.assert_close(one.discriminator(one.critic_a, a, b), expected)


def test_noise_goes_into_the_translation_to_b_alone():
    one = CycleGAN(TranslatorConfig(width=2, blocks=1, noise=True), critic_width=2, seed=1)
    assert one.to_b.generator.in_channels == 3 and one.to_a.generator.in_channels == 1
    a = stacks()[0].float()
    same, again = one.translate(one.to_b, a), one.translate(one.to_b, a)
    assert same.shape == a.shape and not torch.equal(same, again)
    expected = one.to_b.generator(one.to_b.images(a, torch.Generator().manual_seed(1))).view_as(a)
    torch.testing.assert_close(same, expected)


def test_back_translation_has_the_scalings_exchanged():
    config = TranslatorConfig(width=2, blocks=1, source=Scaling("stack"), target=Scaling("fixed", -3, 4))
    one = CycleGAN(config, critic_width=2)
    assert one.to_a.config.source == config.target and one.to_a.config.target == config.source
    with pytest.raises(InputError, match="lambda_cycle"):
        CycleGAN(config, lambda_cycle=-1)


def numbered(*numbers):
    return torch.tensor(numbers, dtype=torch.float32).reshape(-1, 1, 1, 1)


def test_full_then_half_new_half_old():
    pool = ImagePool(50)
    assert torch.equal(pool.query(numbered(*range(50))).flatten(), torch.arange(50.0))
    given = torch.cat([pool.query(numbered(i)).flatten() for i in range(50, 2050)])
    new = given == torch.arange(50.0, 2050.0)
    assert abs(float(new.float().mean()) - 0.5) < 5 * 0.5 / 2000**0.5
    # An old one is given once, the place then goes to the new one.
    old = given[~new].tolist()
    assert len(set(old)) == len(old) and len(pool.kept) == 50
    # A new one waits for its place to be drawn: geometric, on average 2 x 50 queries.
    waits = [i - o for i, o in zip((~new).nonzero().flatten().add(50).tolist(), old, strict=True) if o >= 50]
    assert sum(waits) / len(waits) == pytest.approx(100, rel=0.15)


def test_no_pool_and_no_gradient():
    images = torch.randn(3, 1, 4, 4, requires_grad=True)
    out = ImagePool(0).query(images)
    assert torch.equal(out, images) and not out.requires_grad
    with pytest.raises(InputError, match="size"):
        ImagePool(-1)
    assert str(ImagePool()) == "ImagePool(50)"


def test_goes_on_from_its_state():
    one, other = ImagePool(3, seed=1), ImagePool(3, seed=2)
    one.query(numbered(0, 1, 2, 3, 4))
    other.load_state_dict(one.state_dict())
    later = numbered(*range(5, 40))
    assert torch.equal(one.query(later), other.query(later))
