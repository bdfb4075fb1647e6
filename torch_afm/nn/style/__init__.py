"""Layers of style translation: generator, discriminators, contrast of patches, images of any size."""

from torch_afm.nn.style.networks import PatchDiscriminator, ResnetGenerator
from torch_afm.nn.style.patch_nce import PatchProjector, patch_nce
from torch_afm.nn.style.pix2pix import load_pix2pix_state_dict
from torch_afm.nn.style.spectrum import SpectralDiscriminator, binned_spectrum
from torch_afm.nn.style.tiling import slice_windows, translate_tiled

__all__ = [
    "PatchDiscriminator",
    "PatchProjector",
    "ResnetGenerator",
    "SpectralDiscriminator",
    "binned_spectrum",
    "load_pix2pix_state_dict",
    "patch_nce",
    "slice_windows",
    "translate_tiled",
]
