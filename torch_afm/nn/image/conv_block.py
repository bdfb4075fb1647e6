"""The convolution block of the image encoder."""

from __future__ import annotations

from collections.abc import Callable

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
