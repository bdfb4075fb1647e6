"""Shapes, sizes and weights of the translation networks."""

import pytest
import torch

from torch_afm.nn.style import PatchDiscriminator, ResnetGenerator
from torch_afm.utils import InputError


def test_published_size():
    assert sum(p.numel() for p in ResnetGenerator().parameters()) == 490_945
    # CycleGAN's own: width 64 with 9 blocks on one channel, 11.366 million.
    assert sum(p.numel() for p in ResnetGenerator(width=64, blocks=9).parameters()) == 11_365_633


def test_shapes_range_and_repr():
    network = ResnetGenerator(3, width=4, blocks=1)
    out = network(torch.randn(2, 3, 16, 28, generator=torch.manual_seed(0))).detach()
    assert out.shape == (2, 1, 16, 28) and float(out.abs().max()) <= 1
    assert str(network) == "ResnetGenerator(3, width=4, blocks=1)"


def test_weights_are_drawn_as_cyclegan_draws_them():
    torch.manual_seed(0)
    weight = torch.cat([p.flatten() for n, p in ResnetGenerator().named_parameters() if "weight" in n])
    assert float(weight.std()) == pytest.approx(0.02, rel=0.01)
    assert abs(float(weight.mean())) < 5 * 0.02 / len(weight) ** 0.5


def test_a_batch_is_its_images_one_by_one():
    torch.manual_seed(0)
    network, images = ResnetGenerator(width=4, blocks=2).double(), torch.randn(3, 1, 12, 16).double()
    torch.testing.assert_close(network(images)[1:2], network(images[1:2]))


@pytest.mark.parametrize("shape", [(1, 1, 10, 12), (1, 1, 4, 12), (1, 2, 12, 12), (1, 12, 12)])
def test_wrong_shapes(shape):
    with pytest.raises(InputError, match="multiples of 4"):
        ResnetGenerator(width=2, blocks=1)(torch.zeros(shape))
    with pytest.raises(InputError, match="blocks: expected at least 1"):
        ResnetGenerator(blocks=0)


def test_published_size_of_the_discriminator():
    assert sum(p.numel() for p in PatchDiscriminator().parameters()) == 42_353
    # CycleGAN's own 70 x 70 PatchGAN on one channel.
    assert sum(p.numel() for p in PatchDiscriminator(width=64, layers=3).parameters()) == 2_762_689


@pytest.mark.parametrize(("layers", "patch"), [(1, 16), (2, 34), (3, 70)])
def test_a_score_sees_its_patch_alone(layers, patch):
    # Without norms, which see the whole image, the gradient of one score is zero outside its patch.
    torch.manual_seed(0)
    network = PatchDiscriminator(width=4, layers=layers)
    for i, layer in enumerate(network.layers):
        if isinstance(layer, torch.nn.InstanceNorm2d):
            network.layers[i] = torch.nn.Identity()
    image = torch.randn(1, 1, 128, 128, requires_grad=True)
    scores = network(image)
    scores[0, 0, scores.size(2) // 2, scores.size(3) // 2].backward()
    rows = image.grad[0, 0].abs().sum(1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == patch


def test_shapes_and_repr():
    network = PatchDiscriminator(3, width=4)
    assert network(torch.zeros(2, 3, 64, 32)).shape == (2, 1, 14, 6)
    assert network(torch.zeros(1, 3, 12, 12)).shape == (1, 1, 1, 1)
    assert str(network) == "PatchDiscriminator(3, width=4, layers=2)"
    for shape in ((1, 3, 11, 12), (1, 1, 32, 32)):
        with pytest.raises(InputError, match="x: expected"):
            network(torch.zeros(shape))
    with pytest.raises(InputError, match="layers: expected at least 1"):
        PatchDiscriminator(layers=0)


def test_features_are_what_its_layers_give():
    torch.manual_seed(0)
    network = ResnetGenerator(2, width=3, blocks=4)
    x = torch.randn(2, 2, 16, 12, generator=torch.manual_seed(1))
    found = network.features(x)
    given = [network.layers[:n](x) for n in (0, 4, 7, 10, 12)]
    assert len(found) == len(given)
    for one, other in zip(found, given, strict=True):
        torch.testing.assert_close(one, other)
    assert network.feature_channels == [one.size(1) for one in found] == [2, 6, 12, 12, 12]
    assert ResnetGenerator(1, width=2, blocks=1).feature_channels == [1, 4, 8, 8]
    with pytest.raises(InputError, match="x: expected"):
        network.features(x[:, :1])
