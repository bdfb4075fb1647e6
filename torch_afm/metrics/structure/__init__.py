"""Local structural features of atomic structures, to compare predictions with theory."""

from torch_afm.config.structure import StructureSettings
from torch_afm.metrics.structure.correlations import angular_distribution, radial_distribution
from torch_afm.metrics.structure.features import structure_features
from torch_afm.metrics.structure.prepared import Prepared, layers, visible_mask
from torch_afm.metrics.structure.registry import FEATURES, Feature, feature

__all__ = [
    "FEATURES",
    "Feature",
    "Prepared",
    "StructureSettings",
    "angular_distribution",
    "feature",
    "layers",
    "radial_distribution",
    "structure_features",
    "visible_mask",
]
