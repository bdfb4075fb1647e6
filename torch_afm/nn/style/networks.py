"""Networks of style translation: generator and discriminator."""

from __future__ import annotations

from torch import Tensor
from torch.nn import (
    Conv2d,
    ConvTranspose2d,
    InstanceNorm2d,
    LeakyReLU,
    Linear,
    Module,
    ReLU,
    Sequential,
    Tanh,
    init,
)

from torch_afm.utils import InputError

#: Minimum side of an image in pixels: a quarter of it is padded by reflection.
MIN_SIDE = 8


class ResnetBlock(Module):
    r"""Residual block :math:`x + \mathrm{IN}(W_2 * \mathrm{ReLU}(\mathrm{IN}(W_1 * x)))` of 3 x 3
    convolutions under reflection padding, IN the instance norm.

    Args:
        channels: channels in and out.

    Shapes:
        x ``[N, channels, Y, X]``, result the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = Sequential(
            Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"),
            InstanceNorm2d(channels),
            ReLU(),
            Conv2d(channels, channels, 3, padding=1, padding_mode="reflect"),
            InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The images plus what the layers add to them."""
        out: Tensor = x + self.layers(x)
        return out


class ResnetGenerator(Module):
    r"""Generator of CycleGAN (Zhu et al., arXiv:1703.10593, appendix 7.2): a 7 x 7 convolution, two that
    halve the image, residual blocks, two transposed convolutions that double it, a 7 x 7 convolution, tanh;
    instance norm without parameters in between, no dropout. The defaults are the published ones for AFM
    images of water (arXiv:2509.02240), 490,945 parameters.

    Args:
        in_channels: channels in: 1, or those of a slice and its neighbors.
        width: channels at full size; twice and four times as many at half and a quarter of it.
        blocks: residual blocks; CycleGAN has 6 for images of 128 pixels, 9 for 256 and more.

    Shapes:
        x ``[N, in_channels, Y, X]``, values within -1 and 1, Y and X multiples of 4 of at least 8; returns
        ``[N, 1, Y, X]``.

    Raises:
        InputError: for sizes below 1 and images of another shape.
    """

    def __init__(self, in_channels: int = 1, width: int = 16, blocks: int = 6) -> None:
        super().__init__()
        if min(in_channels, width, blocks) < 1:
            got = f"{in_channels}, {width}, {blocks}"
            raise InputError(f"in_channels, width, blocks: expected at least 1, got {got}")
        self.in_channels, self.width = in_channels, width
        layers: list[Module] = [
            Conv2d(in_channels, width, 7, padding=3, padding_mode="reflect"),
            InstanceNorm2d(width),
            ReLU(),
        ]
        for size in (width, 2 * width):
            layers += [Conv2d(size, 2 * size, 3, stride=2, padding=1), InstanceNorm2d(2 * size), ReLU()]
        layers += [ResnetBlock(4 * width) for _ in range(blocks)]
        for size in (2 * width, width):
            up = ConvTranspose2d(2 * size, size, 3, stride=2, padding=1, output_padding=1)
            layers += [up, InstanceNorm2d(size), ReLU()]
        layers += [Conv2d(width, 1, 7, padding=3, padding_mode="reflect"), Tanh()]
        self.layers = Sequential(*layers)
        self.blocks = blocks
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weights from N(0, 0.02²), biases zero, as CycleGAN draws them."""
        initialize(self)

    def forward(self, x: Tensor) -> Tensor:
        """The translated images."""
        self._check(x)
        out: Tensor = self.layers(x)
        return out

    @property
    def feature_channels(self) -> list[int]:
        """Channels of :meth:`features`."""
        inner = [4 * self.width] * (len(self._tapped) - 2)
        return [self.in_channels, 2 * self.width, 4 * self.width, *inner]

    def features(self, x: Tensor) -> list[Tensor]:
        """What contrastive translation compares (arXiv:2007.15651, appendix C.1): the images themselves, and
        what both halvings, the first residual block and the middle one give.

        Shapes:
            x as in :meth:`forward`, returns ``[N, C, Y', X']`` of different sizes.
        """
        self._check(x)
        found = [x]
        for number, layer in enumerate(list(self.layers)[: self._tapped[-1] + 1]):
            x = layer(x)
            if number in self._tapped:
                found.append(x)
        return found

    @property
    def _tapped(self) -> list[int]:
        """Places of the layers of :meth:`features`."""
        first_block = 9
        return sorted({3, 6, first_block, first_block + self.blocks // 2})

    def _check(self, x: Tensor) -> None:
        sides = x.shape[2:]
        wrong = x.ndim != 4 or x.size(1) != self.in_channels or any(s % 4 or s < MIN_SIDE for s in sides)
        if wrong:
            raise InputError(
                f"x: expected [N, {self.in_channels}, Y, X] with Y and X multiples of 4, at least "
                f"{MIN_SIDE}, got {list(x.shape)}"
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, width={self.width}, blocks={self.blocks})"


def initialize(network: Module) -> None:
    """Draw the weights of all linear layers and convolutions from N(0, 0.02²) and set their biases to zero
    (arXiv:1703.10593, section 7.1)."""
    for layer in network.modules():
        if isinstance(layer, Conv2d | ConvTranspose2d | Linear):
            init.normal_(layer.weight, 0.0, 0.02)
            if layer.bias is not None:
                init.zeros_(layer.bias)


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
            side = 3 * 2**self.n_layers
            raise InputError(
                f"x: expected [N, {self.in_channels}, Y, X] with Y and X of at least {side}, got "
                f"{list(x.shape)}"
            )
        out: Tensor = self.layers(x)
        return out

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.in_channels}, width={self.width}, layers={self.n_layers})"
