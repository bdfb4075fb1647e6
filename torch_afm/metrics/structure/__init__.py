"""Local structural features of atomic structures, to compare predictions with theory."""

from torch_afm.config.features import FEATURES, Feature
from torch_afm.config.structure import StructureSettings
from torch_afm.metrics.structure.adf import angular_distribution
from torch_afm.metrics.structure.features import structure_features
from torch_afm.metrics.structure.masks import layers, visible_mask
from torch_afm.metrics.structure.rdf import radial_distribution

__all__ = [
    "FEATURES",
    "Feature",
    "StructureSettings",
    "angular_distribution",
    "layers",
    "radial_distribution",
    "structure_features",
    "visible_mask",
]
