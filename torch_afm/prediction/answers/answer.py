"""One of several answers to what a scan shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.metrics import match_atoms
from torch_afm.prediction.refinement import RefinementResult
from torch_afm.prediction.result import bonds_to_dict, list_atoms
from torch_afm.prediction.stored import Imaging

#: Å within which atoms of two answers are the same.
CUTOFF = 0.5

#: F1 of atoms and elements between two answers from which they are alike.
_ALIKE = 0.8


@dataclass(frozen=True)
class Answer:
    r"""A structure that may be what a scan shows.

    Args:
        graph: its atoms above the surface cut, as :class:`torch_afm.prediction.Prediction` has them.
        context: those below.
        molecule: both, completed: with the hydrogens that chemistry calls for, ``completed`` ``[N]`` (see
            :func:`complete`).
        imaging: what it was imaged with.
        refinement: how its atoms were refined.
        log_likelihood: of its image (:func:`torch_afm.metrics.evidence.log_likelihood`).
        log_prior: log-probability of its atoms by the network.
        evidence: both as one, in the unit of :func:`torch_afm.metrics.evidence.probabilities`.
        weight: its probability, given that one of the answers is right.
        edits: what was changed after the network, in words.
    """

    graph: AFMData
    context: AFMData
    molecule: AFMData
    imaging: Imaging
    refinement: RefinementResult
    log_likelihood: float
    log_prior: float
    evidence: float
    weight: float
    edits: tuple[str, ...]

    def fields(self, number: int) -> dict[str, Any]:
        """Fields of its record in an SDF, ``completed`` the numbers of the atoms that were added."""
        added = self.molecule.completed.nonzero().flatten() + 1
        return {
            "name": f"answer {number}",
            "weight": round(self.weight, 4),
            "evidence": round(self.evidence, 3),
            "log_likelihood": round(self.log_likelihood, 3),
            "completed": " ".join(map(str, added.tolist())),
        }

    def to_dict(self, classes: AtomClasses) -> dict[str, Any]:
        """Plain numbers for JSON."""
        return {
            "weight": self.weight,
            "evidence": self.evidence,
            "log_likelihood": self.log_likelihood,
            "log_prior": self.log_prior,
            "edits": list(self.edits),
            "atoms": list_atoms(self.graph, classes),
            "context": list_atoms(self.context, classes),
            **bonds_to_dict(self.graph),
            "hydrogens_added": int(self.molecule.completed.sum()),
        }


def evidence_margin(answers: Sequence[Answer]) -> float | None:
    """The evidence of the first answer less that of the next that is unlike it: of the atoms of both together
    less than four fifths are the same in place and element. ``None`` where there is none."""
    for other in answers[1:]:
        if _likeness(answers[0].graph, other.graph) < _ALIKE:
            return answers[0].evidence - other.evidence
    return None


def _likeness(a: AFMData, b: AFMData) -> float:
    matched = match_atoms(a.pos, b.pos, CUTOFF, a.z, b.z)
    return 2 * len(matched.pred) / max(len(a.z) + len(b.z), 1)


def same_structure(a: AFMData, b: AFMData) -> bool:
    """Whether two graphs are one: as many atoms, one to one within 0.5 Å, of the same elements, with the
    same bonds."""
    if len(a.z) != len(b.z) or a.edge_index.size(1) != b.edge_index.size(1):
        return False
    matched = match_atoms(a.pos, b.pos, CUTOFF)
    if len(matched.pred) < len(a.z) or not bool((a.z[matched.pred] == b.z[matched.true]).all()):
        return False
    partner = torch.empty_like(matched.pred)
    partner[matched.pred] = matched.true
    bonds = {tuple(bond) for bond in partner[a.edge_index].T.tolist()}
    return bonds == {tuple(bond) for bond in b.edge_index.T.tolist()}
