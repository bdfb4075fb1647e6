import pytest
import torch

from torch_afm.nn.style import PatchDiscriminator
from torch_afm.utils import InputError


def test_published_size():
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
