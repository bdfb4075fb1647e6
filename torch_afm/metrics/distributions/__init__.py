"""Distances between the distributions of two sets of values, with intervals and floors."""

from torch_afm.metrics.distributions.compare import Comparison, compare, format_comparisons
from torch_afm.metrics.distributions.distances import (
    differentiable_wasserstein,
    kl_divergence,
    sinkhorn_divergence,
    sliced_wasserstein,
    wasserstein,
)
from torch_afm.metrics.distributions.kernels import energy_distance, mmd
from torch_afm.metrics.distributions.registry import DISTANCES, Distance, distance

__all__ = [
    "DISTANCES",
    "Comparison",
    "Distance",
    "compare",
    "differentiable_wasserstein",
    "distance",
    "energy_distance",
    "format_comparisons",
    "kl_divergence",
    "mmd",
    "sinkhorn_divergence",
    "sliced_wasserstein",
    "wasserstein",
]
