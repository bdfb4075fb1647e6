"""A 3-D convolution over image stacks, computed as a 2-D one."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


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
