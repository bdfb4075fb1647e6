"""Which patches of an image look real."""

from __future__ import annotations

from torch import Tensor
from torch.nn import Conv2d, InstanceNorm2d, LeakyReLU, Module, Sequential

from torch_afm.nn.style.resnet_generator import initialize
from torch_afm.utils import InputError


class PatchDiscriminator(Module):
    r"""PatchGAN (Isola et al., arXiv:1611.07004, appendix 6.1.2): one score for each overlapping patch of the
    image, by 4 x 4 convolutions of which the first ``layers`` halve it. Without a sigmoid, for the
    least-squares loss. The defaults are the published ones for AFM images (arXiv:2509.02240), 42,353
    parameters and patches of 34 pixels.

    Args:
        in_channels: channels in: 1, or those of a slice and its neighbors.
        width: channels after the first layer; they double up to eight times that.
        layers: convolutions of stride 2; CycleGAN's 70 pixel patches take 3 of width 64.

    Shapes:
        x ``[N, in_channels, Y, X]``, returns ``[N, 1, Y', X']``.

    Raises:
        InputError: for sizes below 1, images of another shape, and such that have no patch.
    """

    def __init__(self, in_channels: int = 1, width: int = 16, layers: int = 2) -> None:
        super().__init__()
        if min(in_channels, width, layers) < 1:
            got = f"{in_channels}, {width}, {layers}"
            raise InputError(f"in_channels, width, layers: expected at least 1, got {got}")
        self.in_channels, self.width, self.n_layers = in_channels, width, layers
        stages: list[Module] = [Conv2d(in_channels, width, 4, stride=2, padding=1), LeakyReLU(0.2)]
        size = width
        for level in range(1, layers + 1):
            wider = width * min(2**level, 8)
            conv = Conv2d(size, wider, 4, stride=2 if level < layers else 1, padding=1)
            stages += [conv, InstanceNorm2d(wider), LeakyReLU(0.2)]
            size = wider
        self.layers = Sequential(*stages, Conv2d(size, 1, 4, padding=1))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights from N(0, 0.02²), biases zero, as CycleGAN draws them."""
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of the patches."""
        # What the halvings leave loses one pixel to each of the last two convolutions.
        if x.ndim != 4 or x.size(1) != self.in_channels or min(x.shape[2:]) >> self.n_layers < 3:
            least = 3 * 2**self.n_layers
            raise InputError(
                f"x: expected [N, {self.in_channels}, Y, X] with Y and X of at least {least}, got "
                f"{list(x.shape)}"
            )
        out: Tensor = self.layers(x)
        return out

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, width={self.width}, layers={self.n_layers})"
