"""The scores of a prediction that are a number of each, averaged over predictions, and its failures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from torch_afm.data import AFMData, valence_errors
from torch_afm.metrics.atoms import graphs
from torch_afm.metrics.atoms.graphs import MAX_ATOMS, edit_distance, graph_edit_distance, is_valid
from torch_afm.metrics.atoms.matching import Matching, match_atoms
from torch_afm.metrics.molecules.registry import GRAPHS, POSITIONS, SEQUENCES, score

#: An atom nearer than this to an older one is the same again, in Å.
SAME = 0.5

#: No bond is as short as this, in Å.
PILED = 0.7

#: A height is lost where it is off by more than half the depth of the surface cut, in Å.
LOST_Z = 0.35

#: An atom is shadowed by one that is at least so much higher and, seen from above, at most so far away, in Å.
HIGHER, BESIDE = 0.3, 1.2

#: Atoms within this height of the highest one are at the top too, in Å.
LEVEL = 0.1

#: Probability of an atom, and of an element, that a prediction does not mention: others are kept as far from
#: 0 and 1.
UNSEEN = 0.01


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
def edits_anywhere(prediction: AFMData, truth: AFMData, labels: tuple[Tensor, Tensor]) -> float | None:
    """Edits to the truth wherever the atoms lie, of small graphs."""
    small = max(prediction.z.numel(), truth.z.numel()) <= MAX_ATOMS
    return graph_edit_distance(prediction, truth, labels) if small else None


@score("nll", "negative log-likelihood of the truth, an atom", unit="nats", better="lower")
def nll(
    prediction: AFMData, truth: AFMData, matching: Matching, labels: tuple[Tensor, Tensor]
) -> float | None:
    r"""Negative logarithm of the probability that a prediction gives the true atoms and their classes, for
    each of the :math:`M` true atoms,

    .. math::
        -\frac1M \Bigl[\sum_{(i, j)} (\ln p_i + \ln q_i(c_j)) + \sum_{i\ \mathrm{extra}} \ln(1 - p_i) +
        \sum_{j\ \mathrm{missing}} \ln p_0\Bigr] ,

    with the ``confidence`` :math:`p` and the ``class_probabilities`` :math:`q` of the predicted atoms, and
    the probability :math:`p_0` (:data:`UNSEEN`) of what is not mentioned; all probabilities are kept within
    :math:`[p_0, 1 - p_0]`. ``None`` for a prediction without them, and where there is no atom."""
    if not {"confidence", "class_probabilities"} <= {*prediction.keys()} or not len(truth.z):
        return None
    p = prediction.confidence.double().clamp(UNSEEN, 1 - UNSEEN)
    right = prediction.class_probabilities[matching.pred, labels[1][matching.true] - 1].double()
    seen = p[matching.pred].log().sum() + right.clamp(UNSEEN, 1 - UNSEEN).log().sum()
    unseen = (1 - p[matching.extra]).log().sum() + len(matching.missing) * math.log(UNSEEN)
    return -float(seen + unseen) / len(truth.z)


@score("steps", section=SEQUENCES, digits=2)
def passes(steps: int | None) -> float | None:
    """Passes through the network."""
    return steps


@score("duplicates", better="lower", section=SEQUENCES)
def duplicates(sequence: Tensor) -> int:
    """Atoms closer than :data:`SAME` to one that was placed before.

    Args:
        sequence: positions in Å, in the order of placing.

    Shapes:
        sequence ``[N, 3]``.
    """
    older = torch.ones(len(sequence), len(sequence), dtype=torch.bool).tril(-1)
    return int(((_distances(sequence) < SAME) & older).any(dim=1).sum())


@score("first_is_top", "first atom is the top one", better="higher", section=SEQUENCES)
def first_is_top(sequence: Tensor, truth: AFMData) -> bool | None:
    """Whether the atom placed first is the highest true atom, or one of those within :data:`LEVEL` of its
    height: the nearest true atom is one of them, and within :data:`SAME`. ``None`` where either set is empty.

    Args:
        sequence: positions in Å, in the order of placing.
        truth: the visible atoms.

    Shapes:
        sequence ``[N, 3]``.
    """
    if not len(sequence) or not len(truth.pos):
        return None
    distance = torch.linalg.vector_norm(truth.pos - sequence[0], dim=1)
    nearest = int(distance.argmin())
    top = truth.pos[nearest, 2] >= truth.pos[:, 2].max() - LEVEL
    return bool(top and distance[nearest] <= SAME)


@score("seconds", better="lower", section=SEQUENCES, digits=2)
def duration(seconds: float | None) -> float | None:
    """Time of the prediction."""
    return seconds


def shadowed(pos_true: Tensor) -> Tensor:
    """Which true atoms lie below another: one at least :data:`HIGHER` above and, laterally, within
    :data:`BESIDE` hides them from the tip.

    Shapes:
        pos_true ``[M, 3]`` -> ``[M]`` booleans.
    """
    lateral = _distances(pos_true[:, :2])
    above = pos_true[None, :, 2] - pos_true[:, None, 2] >= HIGHER
    return (above & (lateral <= BESIDE)).any(dim=1)


@dataclass(frozen=True)
class Failures:
    """Which of the failures that the graph-AFM thesis, Aalto University (see CITATION.cff), reports (section
    5.2) a prediction shows.

    Args:
        piled_up: two atoms closer than any bond (:data:`PILED`).
        repeats: an atom placed on an old one, or a generation that ended so.
        lost_z: an atom found in x and y, within 0.5 Å, with its height off by more than :data:`LOST_Z`.
        shadowed_missed: a true atom below another (:func:`shadowed`) that was not found within 0.5 Å.
        wrong_first: no true atom within 0.5 Å of the one placed first.
    """

    piled_up: bool
    repeats: bool
    lost_z: bool
    shadowed_missed: bool
    wrong_first: bool


def failures(pos: Tensor, pos_true: Tensor, ended: str, sequence: Tensor | None = None) -> Failures:
    """The failures of one prediction.

    Args:
        pos: predicted positions in Å.
        pos_true: true positions in Å.
        ended: how the generation ended.
        sequence: positions in Å in the order of placing, with one that was refused; default ``pos``.

    Shapes:
        pos ``[N, 3]``, pos_true ``[M, 3]``, sequence ``[S, 3]``.
    """
    placed = pos if sequence is None else sequence
    distance = _distances(pos)
    distance.fill_diagonal_(torch.inf)
    lateral = match_atoms(pos, pos_true, 0.5, xy_only=True)
    height = (pos[lateral.pred, 2] - pos_true[lateral.true, 2]).abs()
    missing = match_atoms(pos, pos_true, 0.5).missing
    first = torch.linalg.vector_norm(pos_true - placed[0], dim=1) if len(placed) else None
    return Failures(
        piled_up=bool((distance < PILED).any()),
        repeats=ended == "repeat" or duplicates(placed) > 0,
        lost_z=bool((height > LOST_Z).any()),
        shadowed_missed=bool(shadowed(pos_true)[missing].any()),
        wrong_first=first is not None and not bool((first <= SAME).any()),
    )


def _distances(pos: Tensor) -> Tensor:
    return torch.linalg.vector_norm(pos[:, None] - pos[None], dim=-1)
