"""Frozen dataclasses for every setting, with a JSON round trip."""

from torch_afm.config.generators import (
    PRESETS,
    GeneratorConfig,
    ScanGeneratorConfig,
    ScanLossConfig,
    SequentialGeneratorConfig,
    SequentialLossConfig,
    SpatialGeneratorConfig,
    SpatialLossConfig,
    generator_config,
)
from torch_afm.config.plain import from_dict, to_dict
from torch_afm.config.prediction import PredictOptions, ReadOptions, ScanPreparation, SearchOptions
from torch_afm.config.scan import Scan
from torch_afm.config.style import Range, Scaling, TranslatorConfig
from torch_afm.config.sweep import Sweep, Variation
from torch_afm.config.tip import ForceField, Tip

__all__ = [
    "PRESETS",
    "ForceField",
    "GeneratorConfig",
    "PredictOptions",
    "Range",
    "ReadOptions",
    "Scaling",
    "Scan",
    "ScanGeneratorConfig",
    "ScanLossConfig",
    "ScanPreparation",
    "SearchOptions",
    "SequentialGeneratorConfig",
    "SequentialLossConfig",
    "SpatialGeneratorConfig",
    "SpatialLossConfig",
    "Sweep",
    "Tip",
    "TranslatorConfig",
    "Variation",
    "from_dict",
    "generator_config",
    "to_dict",
]
