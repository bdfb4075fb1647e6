"""Frozen dataclasses for every setting, with a JSON round trip."""

from torch_afm.config.forcefield import ForceField
from torch_afm.config.graph_generator import GraphGeneratorConfig
from torch_afm.config.plain import from_dict, to_dict
from torch_afm.config.scaling import Range, Scaling
from torch_afm.config.scan import Scan
from torch_afm.config.style import TranslatorConfig
from torch_afm.config.tip import Tip

__all__ = [
    "ForceField",
    "GraphGeneratorConfig",
    "Range",
    "Scaling",
    "Scan",
    "Tip",
    "TranslatorConfig",
    "from_dict",
    "to_dict",
]
