"""How good a prediction is: single-atom steps and whole molecules."""

from torch_afm.metrics.agreement import agreement, noise_share
from torch_afm.metrics.baselines import brightest_pixel, random_atom, stop_at_once
from torch_afm.metrics.bonds import BondMatch, match_bonds
from torch_afm.metrics.bootstrap import bootstrap
from torch_afm.metrics.calibration import (
    Calibration,
    Platt,
    coverage,
    reliability,
    sigma_factors,
)
from torch_afm.metrics.confidence import confidence_tables, fit_calibration
from torch_afm.metrics.distributions import (
    Comparison,
    compare,
    differentiable_wasserstein,
    energy_distance,
    format_comparisons,
    kl_divergence,
    mmd,
    sinkhorn_divergence,
    sliced_wasserstein,
    wasserstein,
)
from torch_afm.metrics.evaluate import evaluate_steps
from torch_afm.metrics.graphs import chamfer, edit_distance, graph_edit_distance, hausdorff, is_valid
from torch_afm.metrics.images import (
    RandomConvolutions,
    compare_images,
    content_preservation,
    frechet_distance,
    image_features,
    kernel_distance,
    physical_features,
)
from torch_afm.metrics.matching import Matching, match_atoms, nearest_atoms
from torch_afm.metrics.molecules import (
    Failures,
    MoleculeMetrics,
    duplicates,
    failures,
    first_is_top,
    format_molecules,
    score_molecule,
    shadowed,
)
from torch_afm.metrics.step import StepMetrics
from torch_afm.metrics.structure import FEATURES, StructureSettings, structure_features
from torch_afm.metrics.tables import THESIS, format_tables, headline

__all__ = [
    "FEATURES",
    "THESIS",
    "BondMatch",
    "Calibration",
    "Comparison",
    "Failures",
    "Matching",
    "MoleculeMetrics",
    "Platt",
    "RandomConvolutions",
    "StepMetrics",
    "StructureSettings",
    "agreement",
    "bootstrap",
    "brightest_pixel",
    "chamfer",
    "compare",
    "compare_images",
    "confidence_tables",
    "content_preservation",
    "coverage",
    "differentiable_wasserstein",
    "duplicates",
    "edit_distance",
    "energy_distance",
    "evaluate_steps",
    "failures",
    "first_is_top",
    "fit_calibration",
    "format_comparisons",
    "format_molecules",
    "format_tables",
    "frechet_distance",
    "graph_edit_distance",
    "hausdorff",
    "headline",
    "image_features",
    "is_valid",
    "kernel_distance",
    "kl_divergence",
    "match_atoms",
    "match_bonds",
    "mmd",
    "nearest_atoms",
    "noise_share",
    "physical_features",
    "random_atom",
    "reliability",
    "score_molecule",
    "shadowed",
    "sigma_factors",
    "sinkhorn_divergence",
    "sliced_wasserstein",
    "stop_at_once",
    "structure_features",
    "wasserstein",
]
