import pytest
import torch
import torch.nn.functional as F

from torch_afm.nn import FoldedConv3d


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
