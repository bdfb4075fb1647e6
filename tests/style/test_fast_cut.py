import pytest
import torch
from torch.nn.functional import cross_entropy, pad

from torch_afm.style import FastCUT
from torch_afm.train import StyleConfig

pytestmark = pytest.mark.learnt


def cut(**settings):
    torch.manual_seed(0)
    sizes = {"width": 2, "blocks": 2, "critic_width": 2, "crop": 16, "flip": False}
    return FastCUT(StyleConfig(**(sizes | settings))).double()


def stacks():
    generator = torch.manual_seed(1)
    return tuple(torch.rand(2, 2, 16, 16, generator=generator).double() * 2 - 1 for _ in range(2))


def contrast(one, translated, source):
    """All places of small images: their order does not matter."""
    losses = []
    for head, q, k in zip(one.projector.heads, translated, source, strict=True):
        q, k = (head(layer.flatten(2).mT) for layer in (q, k))
        q, k = (x / x.norm(dim=2, keepdim=True) for x in (q, k))
        rows = [
            cross_entropy((k[n] @ q[n, s])[None] / 0.07, torch.tensor([s]))
            for n in range(len(q))
            for s in range(q.size(1))
        ]
        losses.append(torch.stack(rows).mean())
    return torch.stack(losses).mean()


def test_losses_written_out():
    one, (a, b) = cut(lambda_nce=3.0), stacks()
    step = one.generator_step(a, b)
    network = one.translator("b").generator
    images = a.reshape(4, 1, 16, 16)
    fake = network(images)
    torch.testing.assert_close(step.translations, {"b": fake.view_as(a)})
    adversarial = (one.critic("b").patches(fake) - 1).square().mean()
    expected = contrast(one, network.features(fake), network.features(images))
    torch.testing.assert_close(step.terms["nce"], expected)
    torch.testing.assert_close(step.loss, adversarial + 3 * expected)
    real, judged = (one.critic("b").patches(x) for x in (b.reshape(4, 1, 16, 16), fake))
    loss = ((real - 1).square().mean() + judged.square().mean()) / 2
    torch.testing.assert_close(one.critic_loss("b", b, step.translations["b"]), loss)


def test_what_is_compared_knows_no_noise():
    one, (a, b) = cut(noise=True), stacks()
    step = one.generator_step(a, b)
    network, fake = one.translator("b").generator, step.translations["b"]
    layers = [network.features(pad(x.reshape(4, 1, 16, 16), (0, 0, 0, 0, 0, 2))) for x in (fake, a)]
    torch.testing.assert_close(step.terms["nce"], contrast(one, *layers))
    assert not torch.equal(fake, one.generator_step(a, b).translations["b"])


def test_half_of_the_images_are_translated_mirrored():
    one, (a, b) = cut(flip=True), stacks()
    network = one.translator("b").generator
    plain, mirrored = (network(x.reshape(4, 1, 16, 16)).view_as(a) for x in (a, a.flip(-1)))
    seen = {"plain": 0, "mirrored": 0}
    for _ in range(20):
        step = one.generator_step(a, b)
        which = "plain" if torch.allclose(step.translations["b"], plain) else "mirrored"
        fake = {"plain": plain, "mirrored": mirrored}[which]
        torch.testing.assert_close(step.translations["b"], fake)
        layers = network.features(fake.view(4, 1, 16, 16))
        if which == "mirrored":
            layers = [layer.flip(-1) for layer in layers]
        source = network.features(a.view(4, 1, 16, 16))
        torch.testing.assert_close(step.terms["nce"], contrast(one, layers, source))
        seen[which] += 1
    assert min(seen.values()) >= 4


def test_gradients_reach_generator_and_projector_and_agree_with_finite_differences():
    one, (a, b) = cut(), stacks()
    one.generator_step(a, b).loss.backward()
    assert all(p.grad is not None for p in one.generator_parameters())
    # Of the last layer, which what is held fixed, features of the source, does not depend on.
    weight = one.translator("b").generator.layers[-2].weight
    direction = torch.randn(weight.shape, generator=torch.manual_seed(2), dtype=torch.double)
    expected = float((weight.grad * direction).sum())
    values = []
    for step in (1e-6, -1e-6):
        with torch.no_grad():
            weight += step * direction
            values.append(float(one.generator_step(a, b).loss))
            weight -= step * direction
    assert (values[0] - values[1]) / 2e-6 == pytest.approx(expected, rel=1e-4)


def test_no_gradient_through_the_features_of_the_source():
    one, (a, b) = cut(), stacks()
    a.requires_grad_()
    one.translate = lambda domain, stack: stack.detach().roll(1, 2).requires_grad_()
    one.generator_step(a, b).loss.backward()
    assert a.grad is None
