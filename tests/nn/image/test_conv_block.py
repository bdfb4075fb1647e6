import torch
import torch.nn.functional as F
from torch.nn import Conv2d

from torch_afm.nn import ConvBlock


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
