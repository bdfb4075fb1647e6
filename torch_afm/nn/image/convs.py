"""Convolutions of the image encoder: the block, and a 3-D one computed in 2-D."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Module
from torch_geometric.nn.inits import reset


class ConvBlock(Module):
    r"""One convolution with a ReLU, or a residual block ("Deep Residual Learning for Image Recognition", He
    et al., arXiv:1512.03385) of two with a 1x1 projection as its shortcut.

    .. math::
        \mathbf{y} = \mathrm{ReLU}(\mathbf{W}_1 \ast \mathbf{x}) \qquad \text{or} \qquad
        \mathbf{y} = \mathrm{ReLU}\left(\mathbf{W}_2 \ast \mathrm{ReLU}(\mathbf{W}_1 \ast \mathbf{x}) +
        \mathbf{W}_s \mathbf{x}\right)

    Args:
        conv (callable): Makes a convolution with "same" padding from its input channels, output channels and
            kernel size.
        in_channels (int): Input channels.
        out_channels (int): Output channels.
        residual (bool): The second form.

    Shapes:
        - **input:** as :obj:`conv` takes it
        - **output:** as :obj:`conv` gives it
    """

    def __init__(
        self, conv: Callable[[int, int, int], Module], in_channels: int, out_channels: int, residual: bool
    ) -> None:
        super().__init__()
        self.residual = residual
        self.conv1 = conv(in_channels, out_channels, 3)
        if residual:
            self.conv2 = conv(out_channels, out_channels, 3)
            self.shortcut = conv(in_channels, out_channels, 1)

        self.reset_parameters()

    def reset_parameters(self) -> None:
        for conv in self.children():
            reset(conv)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(x).relu_()
        return self.conv2(y).add_(self.shortcut(x)).relu_() if self.residual else y


class FoldedConv3d(torch.nn.Conv3d):
    r"""A 3-D convolution with "same" zero padding over stacks whose slices are folded into the channels.

    .. math::
        y_{(o,p)} = b_o + \sum_{i,z} \left(\sum_{k} [\,k = z - p + \lfloor K/2 \rfloor\,]\, W_{o,i,k}\right)
        \ast x_{(i,z)}

    Exactly :class:`torch.nn.Conv3d` (same parameters, same numbers), as one 2-D convolution whose kernel is
    banded in the slices. AFM stacks have few slices and the layers over them few channels; a 3-D convolution
    leaves a processor mostly idle there, while the 2-D form is dense, and leaves out the taps that would fall
    on the padding.

    Args:
        in_channels (int): Channels of the stack.
        out_channels (int): Channels of the result.
        kernel_size (int): Odd kernel size, along all three axes.
        depth (int): Slices of the stack, :math:`Z`.

    Shapes:
        - **input:** :math:`(B, C_{in} Z, Y, X)`, a :math:`(B, C_{in}, Z, Y, X)` stack flattened over its axes
          1 and 2
        - **output:** :math:`(B, C_{out} Z, Y, X)`
    """

    band: Tensor

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, depth: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        self.depth = depth
        p, z, k = torch.meshgrid(
            torch.arange(depth), torch.arange(depth), torch.arange(kernel_size), indexing="ij"
        )
        band = (k == z - p + kernel_size // 2).to(self.weight.dtype)
        self.register_buffer("band", band, persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        weight = torch.einsum("oikyx,pzk->opizyx", self.weight, self.band)
        weight = weight.flatten(2, 3).flatten(0, 1)
        bias = None if self.bias is None else self.bias.repeat_interleave(self.depth)
        return F.conv2d(input, weight, bias, padding=self.kernel_size[1] // 2)

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size[0]}, depth={self.depth}"
        )
