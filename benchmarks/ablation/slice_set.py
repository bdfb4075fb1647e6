"""The network for scans with another first layer: slices as a set, not as channels in an order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Conv2d, Module
from torch_geometric.nn.inits import reset

from torch_afm.config import ScanGeneratorConfig
from torch_afm.models import ScanGenerator

#: Weightings along z, each of an equal part of the features.
HEADS = 4

#: Pixels of an image that one of the maps is made of, their stride and their padding, as MaskedUNet has them.
_KERNEL, _STRIDE, _PADDING = 4, 2, 1

#: Channels of a slice: reference, simulated, their difference, validity, amplitude and height.
_CHANNELS = 6


@dataclass(frozen=True)
class SliceSetConfig(ScanGeneratorConfig):
    """The settings of :class:`SliceSetGenerator`."""


class SliceSetStem(Module):
    r"""Features of each slice by one shared convolution, and their mean over the slices that were measured,

    .. math::
        \mathbf{f}_i = \mathrm{ReLU}(\mathbf{W} \ast [\Delta f_r \,\Vert\, \Delta f_s \,\Vert\, \Delta f_r -
        \Delta f_s \,\Vert\, \mathbf{v} \,\Vert\, A \,\Vert\, \mathbf{v} z]_i), \qquad
        \mathbf{y} = \mathbf{W}_o \sum_i \mathrm{softmax}_i(\mathbf{W}_a \mathbf{f}_i) \mathbf{f}_i

    Slices that were not measured at a pixel have no weight there; where none was, the result is that of
    zeros.

    Args:
        heights (tensor): Height of each slice in Å.
        out_channels (int): Channels of the result, a multiple of :data:`HEADS`.

    Shapes:
        - **input:** :math:`(B, 4Z + 1, 2Y, 2X)`: reference, simulated, difference and validity of all
          slices, and the amplitude
        - **output:** :math:`(B, C, Y, X)`
    """

    def __init__(self, heights: Tensor, out_channels: int) -> None:
        super().__init__()
        self.register_buffer("heights", heights, persistent=False)
        self.conv = Conv2d(_CHANNELS, out_channels, _KERNEL, _STRIDE, _PADDING)
        self.score = Conv2d(out_channels, HEADS, 1)
        self.mix = Conv2d(out_channels, out_channels, 1)

    def reset_parameters(self) -> None:
        for layer in self.children():
            reset(layer)

    def forward(self, image: Tensor) -> Tensor:
        batch, n = len(image), len(self.heights)
        slices = image[:, :-1].unflatten(1, (4, n)).transpose(1, 2)  # [B, Z, 4, Y, X]
        valid = slices[:, :, 3:]
        amplitude = image[:, None, -1:].expand_as(valid) * valid
        height = valid * self.heights.to(valid).view(1, n, 1, 1, 1)
        channels = torch.cat([slices, amplitude, height], dim=2).flatten(0, 1)
        features = self.conv(channels.contiguous(memory_format=torch.channels_last)).relu_()
        measured = F.max_pool2d(valid.flatten(0, 1).float(), _KERNEL, _STRIDE, _PADDING) > 0
        score = self.score(features).float().masked_fill(~measured, -1e4).unflatten(0, (batch, n))
        weight = (score.softmax(dim=1) * measured.unflatten(0, (batch, n))).to(features.dtype)
        parts = features.unflatten(1, (HEADS, -1)).unflatten(0, (batch, n))  # [B, Z, heads, C / heads, Y, X]
        pooled = (parts * weight[:, :, :, None]).sum(dim=1).flatten(1, 2)
        mixed: Tensor = self.mix(pooled.contiguous(memory_format=torch.channels_last))
        return mixed


class SliceSetGenerator(ScanGenerator):
    """A :class:`~torch_afm.models.ScanGenerator` with a :class:`SliceSetStem`."""

    Config = SliceSetConfig

    def __init__(self, config: SliceSetConfig) -> None:
        super().__init__(config)
        n, dz = config.scan.n_slices, config.scan.dz
        self.unet.stem = SliceSetStem(torch.arange(n - 1, -1, -1) * dz, config.channels[0])
        self.unet.stem.reset_parameters()
