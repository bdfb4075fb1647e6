"""Features of an untrained network."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from torch_afm.utils import InputError


class RandomConvolutions(nn.Module):
    r"""Mean and standard deviation over each map of seeded random convolutions, layer by layer:
    :math:`h_{l+1} = \mathrm{pool}_2\,\mathrm{ReLU}(W_l * h_l + b_l)` with Gaussian weights of He's variance.
    Even without training, such features tell textures apart (Ulyanov et al., arXiv:1606.03073; Saxe et al.,
    ICML 2011), and nothing has to be downloaded.

    Args:
        in_channels: 1 for slices, the number of slices for whole stacks.
        width: maps of each layer.
        layers: convolutions, 3 x 3, each followed by 2 x 2 pooling.
        seed: of the weights.

    Shapes:
        images ``[N, in_channels, Y, X]``, returns ``[N, 2 layers width]``; Y and X of at least
        :math:`2^\mathrm{layers}` pixels.

    Raises:
        InputError: for sizes below 1, images of another shape or too small.
    """

    def __init__(self, in_channels: int = 1, width: int = 16, layers: int = 3, seed: int = 0) -> None:
        super().__init__()
        if min(in_channels, width, layers) < 1:
            raise InputError(
                f"in_channels, width, layers: expected 1 or more, got {in_channels}, {width}, {layers}"
            )
        self.in_channels, self.layers = in_channels, layers
        generator = torch.Generator().manual_seed(seed)
        channels = in_channels
        for i in range(layers):
            spread = (2 / (9 * channels)) ** 0.5
            weight = torch.randn(width, channels, 3, 3, generator=generator) * spread
            self.register_buffer(f"weight_{i}", weight)
            self.register_buffer(f"bias_{i}", torch.randn(width, generator=generator) * 0.1)
            channels = width

    def forward(self, images: Tensor) -> Tensor:
        """Features of images."""
        least = 2**self.layers
        if images.dim() != 4 or images.shape[1] != self.in_channels or min(images.shape[2:]) < least:
            raise InputError(
                f"images: expected [N, {self.in_channels}, Y, X] with Y and X of {least} or more, got "
                f"{list(images.shape)}"
            )
        found = []
        for i in range(self.layers):
            weight, bias = self.get_buffer(f"weight_{i}"), self.get_buffer(f"bias_{i}")
            images = F.relu(F.conv2d(images, weight, bias, padding="same"))
            found += [images.mean(dim=(2, 3)), images.std(dim=(2, 3), correction=0)]
            images = F.avg_pool2d(images, 2)
        return torch.cat(found, dim=1)
