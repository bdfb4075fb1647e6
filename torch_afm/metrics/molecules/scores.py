"""The scores of a prediction that are a number of each, averaged over predictions."""

from __future__ import annotations

from torch import Tensor

from torch_afm.data import AFMData, valence_errors
from torch_afm.metrics import graphs
from torch_afm.metrics.graphs import MAX_ATOMS, edit_distance, graph_edit_distance, is_valid
from torch_afm.metrics.matching import Matching
from torch_afm.metrics.molecules import sequences
from torch_afm.metrics.molecules.registry import CUTOFF, GRAPHS, POSITIONS, SEQUENCES, score


@score("hausdorff", "Hausdorff distance", unit="Å", better="lower", section=POSITIONS, digits=2)
def hausdorff(prediction: AFMData, truth: AFMData) -> float | None:
    """Largest distance of an atom of either graph to the nearest of the other."""
    return graphs.hausdorff(prediction.pos, truth.pos)


@score("chamfer", "Chamfer distance", unit="Å", better="lower", section=POSITIONS, digits=2)
def chamfer(prediction: AFMData, truth: AFMData) -> float | None:
    """Mean distance of an atom of either graph to the nearest of the other."""
    return graphs.chamfer(prediction.pos, truth.pos)


@score("valence_errors", "atoms that break their valence", better="lower", section=GRAPHS)
def broken_valences(prediction: AFMData) -> float:
    """Predicted atoms with more bonds than their element can have."""
    return int(valence_errors(prediction.z, prediction.edge_index).sum())


@score("valid", "valid by RDKit", better="higher", section=GRAPHS)
def valid(prediction: AFMData) -> float:
    """Whether RDKit takes the graph for (part of) a molecule."""
    return is_valid(prediction)


@score("exact", better="higher", section=GRAPHS)
def exact(prediction: AFMData, truth: AFMData, matching: Matching, labels: tuple[Tensor, Tensor]) -> float:
    """Whether atoms, classes and bonds are all right, in place."""
    return edit_distance(prediction, truth, matching, labels) == 0


@score("edits", "edits, in place", better="lower", section=GRAPHS, digits=2)
def edits(prediction: AFMData, truth: AFMData, matching: Matching, labels: tuple[Tensor, Tensor]) -> float:
    """Edits to the truth by the matching of places."""
    return edit_distance(prediction, truth, matching, labels)


@score("least_edits", f"edits, anywhere (up to {MAX_ATOMS} atoms)", better="lower", section=GRAPHS, digits=2)
def least_edits(prediction: AFMData, truth: AFMData, labels: tuple[Tensor, Tensor]) -> float | None:
    """Edits to the truth wherever the atoms lie, of small graphs."""
    small = max(prediction.z.numel(), truth.z.numel()) <= MAX_ATOMS
    return graph_edit_distance(prediction, truth, labels) if small else None


@score("steps", section=SEQUENCES, digits=2)
def passes(steps: int | None) -> float | None:
    """Passes through the network."""
    return steps


@score("duplicates", better="lower", section=SEQUENCES)
def duplicates(sequence: Tensor) -> float:
    """Atoms placed on one that was there."""
    return sequences.duplicates(sequence)


@score("first_is_top", "first atom is the top one", better="higher", section=SEQUENCES)
def first_is_top(sequence: Tensor, truth: AFMData) -> float | None:
    """Whether the atom placed first is the highest."""
    return sequences.first_is_top(sequence, truth.pos, CUTOFF)


@score("seconds", better="lower", section=SEQUENCES, digits=2)
def duration(seconds: float | None) -> float | None:
    """Time of the prediction."""
    return seconds
