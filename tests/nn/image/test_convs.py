"""Convolutions against torch's."""

import pytest
import torch
import torch.nn.functional as F
from torch.nn import Conv2d

from torch_afm.nn import ConvBlock, FoldedConv3d


def conv(i: int, o: int, k: int) -> Conv2d:
    return Conv2d(i, o, k, padding=k // 2)


def test_single():
    block = ConvBlock(conv, 2, 3, residual=False).double()
    x = torch.randn(2, 2, 5, 6, dtype=torch.float64)
    expected = F.conv2d(x, block.conv1.weight, block.conv1.bias, padding=1).clamp(min=0)
    torch.testing.assert_close(block(x), expected)
    assert {name.split(".")[0] for name, _ in block.named_parameters()} == {"conv1"}


def test_residual():
    block = ConvBlock(conv, 2, 3, residual=True).double()
    x = torch.randn(2, 2, 5, 6, dtype=torch.float64)
    y = F.conv2d(x, block.conv1.weight, block.conv1.bias, padding=1).clamp(min=0)
    y = F.conv2d(y, block.conv2.weight, block.conv2.bias, padding=1)
    y = y + torch.einsum("oi,biyx->boyx", block.shortcut.weight[:, :, 0, 0], x)
    y = y + block.shortcut.bias.view(-1, 1, 1)
    torch.testing.assert_close(block(x), y.clamp(min=0))


def test_reset_parameters():
    block = ConvBlock(conv, 2, 3, residual=True)
    before = [p.clone() for p in block.parameters()]
    block.reset_parameters()
    assert not any(torch.equal(a, b) for a, b in zip(before, block.parameters(), strict=True))


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("depth", [1, 2, 5, 10])
def test_is_the_3d_convolution(depth, kernel_size):
    torch.manual_seed(0)
    conv = FoldedConv3d(2, 3, kernel_size, depth).double()
    x = torch.randn(2, 2, depth, 6, 7, dtype=torch.float64, requires_grad=True)
    plain = F.conv3d(x, conv.weight, conv.bias, padding=kernel_size // 2)
    folded = conv(x.flatten(1, 2)).unflatten(1, (3, depth))
    torch.testing.assert_close(folded, plain, rtol=0, atol=1e-13)

    seed = torch.randn_like(plain)
    inputs = (x, conv.weight, conv.bias)
    for ours, theirs in zip(
        torch.autograd.grad(folded, inputs, seed), torch.autograd.grad(plain, inputs, seed), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_repr_and_parameters():
    conv = FoldedConv3d(4, 8, 3, depth=5)
    assert str(conv) == "FoldedConv3d(4, 8, kernel_size=3, depth=5)"
    assert {name: tuple(p.shape) for name, p in conv.named_parameters()} == {
        "weight": (8, 4, 3, 3, 3),
        "bias": (8,),
    }
    assert set(conv.state_dict()) == {"weight", "bias"}
