"""Local structural features of atomic structures, to compare predictions with theory."""

from torch_afm.metrics.structure.adf import angular_distribution
from torch_afm.metrics.structure.features import structure_features
from torch_afm.metrics.structure.masks import layers, visible_mask
from torch_afm.metrics.structure.rdf import radial_distribution
from torch_afm.metrics.structure.settings import StructureSettings
from torch_afm.metrics.structure.table import FEATURES, Feature

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
