"""Layers of style translation: generator, discriminator, images of any size."""

from torch_afm.nn.style.networks import PatchDiscriminator, ResnetGenerator
from torch_afm.nn.style.pix2pix import load_pix2pix_state_dict
from torch_afm.nn.style.tiling import slice_windows, translate_tiled

__all__ = [
    "PatchDiscriminator",
    "ResnetGenerator",
    "load_pix2pix_state_dict",
    "slice_windows",
    "translate_tiled",
]
