"""Distances between distributions, one a file."""

from torch_afm.metrics.distributions.compare import DISTANCES, Comparison, compare
from torch_afm.metrics.distributions.differentiable import differentiable_wasserstein
from torch_afm.metrics.distributions.energy import energy_distance
from torch_afm.metrics.distributions.kl import kl_divergence
from torch_afm.metrics.distributions.mmd import mmd
from torch_afm.metrics.distributions.sinkhorn import sinkhorn_divergence
from torch_afm.metrics.distributions.sliced import sliced_wasserstein
from torch_afm.metrics.distributions.table import format_comparisons
from torch_afm.metrics.distributions.wasserstein import wasserstein

__all__ = [
    "DISTANCES",
    "Comparison",
    "compare",
    "differentiable_wasserstein",
    "energy_distance",
    "format_comparisons",
    "kl_divergence",
    "mmd",
    "sinkhorn_divergence",
    "sliced_wasserstein",
    "wasserstein",
]
