import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from torch_afm.nn import AFMEncoder

CHANNELS = {
    "volume_channels": (2, 3, 4),
    "map_channels": (4, 5, 6),
    "attention_channels": 3,
    "out_channels": 7,
}


def make(n_slices: int, pixels: tuple[int, int], **kwargs: object) -> AFMEncoder:
    torch.manual_seed(0)
    return AFMEncoder(n_slices, pixels, **CHANNELS, **kwargs).double()


def stacks(batch: int, n_slices: int, pixels: tuple[int, int]) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, 1, n_slices, pixels[1], pixels[0], generator=generator, dtype=torch.float64)


def plain_trunk(encoder: AFMEncoder, stack: Tensor) -> list[Tensor]:
    """The same network with 3-D convolutions and 3-D pooling."""

    def block3d(block: torch.nn.Module, x: Tensor) -> Tensor:
        y = F.conv3d(x, block.conv1.weight, block.conv1.bias, padding=1).relu()
        if block.residual:
            y = F.conv3d(y, block.conv2.weight, block.conv2.bias, padding=1)
            y = (y + F.conv3d(x, block.shortcut.weight, block.shortcut.bias)).relu()
        return y

    x, features = stack, []
    for level, (volume_block, map_block) in enumerate(
        zip(encoder.volume_blocks, encoder.map_blocks, strict=True)
    ):
        if level:
            x = F.max_pool3d(x, (min(2, x.size(2)), 2, 2))
        x = block3d(volume_block, x)
        features.append(map_block(x.flatten(1, 2)))
    return features


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize(("n_slices", "pixels"), [(10, (16, 16)), (5, (12, 20)), (3, (9, 11)), (1, (8, 8))])
def test_trunk_is_the_plain_network(n_slices, pixels, residual):
    encoder = make(n_slices, pixels, residual=residual)
    stack = stacks(2, n_slices, pixels).requires_grad_()
    ours, theirs = encoder.trunk(stack), plain_trunk(encoder, stack)
    parameters = [stack, *encoder.volume_blocks.parameters(), *encoder.map_blocks.parameters()]
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-13)
    seeds = [torch.randn_like(x) for x in theirs]
    for a, b in zip(
        torch.autograd.grad(ours, parameters, seeds),
        torch.autograd.grad(theirs, parameters, seeds),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-11)


def test_sizes_of_the_thesis():
    encoder = AFMEncoder(10, (128, 128), (4, 8, 16, 32), (32, 48, 64, 96), 64, 128)
    assert encoder.depths == [10, 5, 2, 1]
    assert [block.conv1.in_channels for block in encoder.map_blocks] == [40, 40, 32, 32]
    assert encoder.lin.in_features == 240
    features = encoder.trunk(torch.randn(1, 1, 10, 128, 128))
    assert [tuple(x.shape[1:]) for x in features] == [
        (32, 128, 128),
        (48, 64, 64),
        (64, 32, 32),
        (96, 16, 16),
    ]
    assert encoder.attend(features, torch.randn(1, 64)).shape == (1, 128)


def test_attend_concatenates_the_gates():
    encoder = make(4, (16, 16))
    stack, query = stacks(2, 4, (16, 16)), torch.randn(2, 3, dtype=torch.float64)
    features = encoder.trunk(stack)
    gates = [gate(x, features[-1], query) for gate, x in zip(encoder.gates, features, strict=True)]
    expected = (torch.cat(gates, dim=1) @ encoder.lin.weight.T + encoder.lin.bias).clamp(min=0)
    torch.testing.assert_close(encoder(stack, query), expected)


def test_one_stack_for_all_queries():
    encoder = make(4, (16, 16), coordinates=True)
    stack, query = stacks(1, 4, (16, 16)), torch.randn(3, 3, dtype=torch.float64)
    expected = encoder(stack.expand(3, -1, -1, -1, -1), query)
    torch.testing.assert_close(encoder.attend(encoder.trunk(stack), query), expected, rtol=0, atol=1e-13)


def test_coordinates():
    encoder = make(4, (16, 8), coordinates=True)
    assert encoder.lin.in_features == sum(CHANNELS["map_channels"]) + 3 * 2
    assert not any("coordinates" in key for key in encoder.state_dict())
    x, y = encoder.coordinates0
    assert x.shape == (8, 16)
    assert (x[0, 0], x[0, -1], y[0, 0], y[-1, 0]) == (-1, 1, -1, 1)
    # A pooled pixel lies in the middle of the pixels that it was pooled from.
    for level in (1, 2):
        pooled = F.avg_pool2d(encoder.coordinates0, 2**level)
        torch.testing.assert_close(getattr(encoder, f"coordinates{level}"), pooled, rtol=0, atol=1e-6)


def test_reset_parameters_resets_everything():
    encoder = make(4, (16, 16), residual=True)
    before = {name: p.clone() for name, p in encoder.named_parameters()}
    encoder.reset_parameters()
    same = {name for name, p in encoder.named_parameters() if torch.equal(p, before[name])}
    assert same == {f"gates.{level}.attention_conv.bias" for level in range(3)}
