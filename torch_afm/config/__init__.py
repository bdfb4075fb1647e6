"""Frozen dataclasses for every setting, with a JSON round trip."""

from torch_afm.config.forcefield import ForceField
from torch_afm.config.generators import (
    PRESETS,
    GeneratorConfig,
    SequentialGeneratorConfig,
    SpatialGeneratorConfig,
    generator_config,
)
from torch_afm.config.losses import SequentialLossConfig, SpatialLossConfig
from torch_afm.config.plain import from_dict, to_dict
from torch_afm.config.scan import Scan
from torch_afm.config.tip import Tip

__all__ = [
    "PRESETS",
    "ForceField",
    "GeneratorConfig",
    "Scan",
    "SequentialGeneratorConfig",
    "SequentialLossConfig",
    "SpatialGeneratorConfig",
    "SpatialLossConfig",
    "Tip",
    "from_dict",
    "generator_config",
    "to_dict",
]
