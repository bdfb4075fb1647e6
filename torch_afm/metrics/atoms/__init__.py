"""Predicted atoms and bonds beside true ones: matching, edit distances, distances of point sets."""

from torch_afm.metrics.atoms.graphs import chamfer, edit_distance, graph_edit_distance, hausdorff, is_valid
from torch_afm.metrics.atoms.matching import BondMatch, Matching, match_atoms, match_bonds, nearest_atoms
from torch_afm.metrics.atoms.surface import SurfaceMatch, match_surface

__all__ = [
    "BondMatch",
    "Matching",
    "SurfaceMatch",
    "chamfer",
    "edit_distance",
    "graph_edit_distance",
    "hausdorff",
    "is_valid",
    "match_atoms",
    "match_bonds",
    "match_surface",
    "nearest_atoms",
]
