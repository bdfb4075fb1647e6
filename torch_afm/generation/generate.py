"""Generation with either network."""

from __future__ import annotations

from torch import Tensor

from torch_afm.config import Tip
from torch_afm.config.graph_generator import MAX_ATOMS
from torch_afm.generation.greedy import Generation, generate_greedy
from torch_afm.generation.spatial import SpatialGeneration, generate_spatial
from torch_afm.models import GraphGenerator, SpatialGenerator
from torch_afm.ppm import ProbeParticleModel


def generate(
    model: GraphGenerator | SpatialGenerator,
    reference: Tensor,
    renderer: ProbeParticleModel,
    z_top: float,
    tip: Tip | None = None,
    max_atoms: int = MAX_ATOMS,
    min_distance: float = 0.5,
) -> Generation | SpatialGeneration:
    """Generate a molecule graph with the network given: :func:`generate_greedy` for a
    :class:`~torch_afm.models.GraphGenerator`, :func:`generate_spatial` for a
    :class:`~torch_afm.models.SpatialGenerator`, whose arguments and errors these are."""
    if isinstance(model, SpatialGenerator):
        return generate_spatial(model, reference, renderer, z_top, tip, max_atoms, min_distance)
    return generate_greedy(model, reference, renderer, z_top, tip, max_atoms, min_distance)
