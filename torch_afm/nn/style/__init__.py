"""Style translation: networks, explicit scaling, images of any size."""

from torch_afm.config.scaling import Range, Scaling
from torch_afm.config.style import TranslatorConfig
from torch_afm.nn.style.networks import PatchDiscriminator, ResnetGenerator
from torch_afm.nn.style.pix2pix import load_pix2pix_state_dict
from torch_afm.nn.style.tiling import slice_windows, translate_tiled
from torch_afm.nn.style.translator import StyleTranslator

__all__ = [
    "PatchDiscriminator",
    "Range",
    "ResnetGenerator",
    "Scaling",
    "StyleTranslator",
    "TranslatorConfig",
    "load_pix2pix_state_dict",
    "slice_windows",
    "translate_tiled",
]
