"""Image layers: stacks to encodings."""

from torch_afm.nn.image.afm_encoder import AFMEncoder
from torch_afm.nn.image.attention_gate import QueryAttentionGate
from torch_afm.nn.image.convs import ConvBlock, FoldedConv3d
from torch_afm.nn.image.map_grid import MapGrid
from torch_afm.nn.image.masked_unet import MaskedBlock, MaskedUNet, PixelNorm
from torch_afm.nn.image.unet import GatedUNet, SkipGate

__all__ = [
    "AFMEncoder",
    "ConvBlock",
    "FoldedConv3d",
    "GatedUNet",
    "MapGrid",
    "MaskedBlock",
    "MaskedUNet",
    "PixelNorm",
    "QueryAttentionGate",
    "SkipGate",
]
