"""All that is kept of one scored prediction."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.metrics.atoms.matching import BondMatch, Matching, match_atoms, nearest_atoms
from torch_afm.metrics.molecules.registry import CUTOFF, SCORES, Case
from torch_afm.metrics.molecules.scores import failures, shadowed
from torch_afm.utils import InputError

#: Distances in Å within which an atom is found.
CUTOFFS = (0.35, 0.5, 1.0)

#: What the atoms of a prediction may carry, for the calibration of it.
CONFIDENCE = ("confidence", "class_probabilities", "sigma", "bond_probability")


@dataclass(frozen=True)
class MoleculeRecord:
    """One scored prediction, in numbers that JSON takes.

    Args:
        molecule: number of the molecule; several predictions may be of one.
        atoms: numbers of predicted and of true atoms.
        matched: number of pairs at each of :data:`CUTOFFS`, matched ``"blind"`` to elements, ``"aware"`` of
            classes, and ``"lateral"``, by x and y alone.
        nearest: predicted atoms that were taken and true atoms that took one, at each of :data:`CUTOFFS`
            (:func:`torch_afm.metrics.atoms.nearest_atoms`).
        errors: predicted less true position in Å of each pair within :data:`CUTOFF`.
        classes: true and predicted class of every atom, from 0; one more than the last is missing or extra.
        bonds: numbers of predicted, of true, and of right bonds.
        ended: how the generation ended.
        placed: atoms placed, with those that are not in the graph.
        shadowed: true atoms below another, and how many of these were found.
        failures: see :class:`torch_afm.metrics.molecules.Failures`.
        calibration: ``atom``, ``label``, ``bond``: probabilities, and 0 or 1 for what was so; ``sigma`` of
            the atoms in ``errors``. What the prediction does not say is left out.
        pearson: mean Pearson's r of the last stack simulated with the reference.
        scores: those of :data:`torch_afm.metrics.molecules.SCORES`, by name.
        context: atoms predicted below the surface cut, those there, and pairs of them.
        images: scores of stacks (:func:`torch_afm.metrics.agreement`), by name.
    """

    molecule: int | None
    atoms: list[int]
    matched: dict[str, list[int]]
    nearest: list[list[int]]
    errors: list[list[float]]
    classes: list[list[int]]
    bonds: list[int]
    ended: str
    placed: int
    shadowed: list[int]
    failures: dict[str, bool]
    calibration: dict[str, list[Any]]
    pearson: float | None
    scores: dict[str, float | None]
    context: list[int] | None = None
    images: dict[str, dict[str, list[float]]] | None = None

    @property
    def f1(self) -> list[float]:
        """F1 of the atoms at each of :data:`CUTOFFS`; 1 where both graphs are empty."""
        total = sum(self.atoms)
        return [2 * k / total if total else 1.0 for k in self.matched["blind"]]

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, the scores among them; what was not given is left out or ``None``."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        rest = {k: v for k, v in values.items() if k not in ("context", "images") or v is not None}
        return rest | rest.pop("scores")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MoleculeRecord:
        """Of what :meth:`to_dict` gave; a score that was not known then is ``None``.

        Raises:
            InputError: for a record without one of the numbers.
        """
        names = {f.name for f in fields(cls)}
        known = {k: v for k, v in values.items() if k in names}
        try:
            return cls(**known, scores={k: v for k, v in values.items() if k not in names})
        except TypeError as error:
            raise InputError(f"values: expected a record of a prediction, got another ({error})") from None


def score_molecule(
    graph: AFMData,
    truth: AFMData,
    ended: str,
    classes: AtomClasses,
    *,
    sequence: Tensor | None = None,
    steps: int | None = None,
    context: tuple[AFMData, AFMData] | None = None,
    images: Mapping[str, Mapping[str, list[float]]] | None = None,
    pearson: float | None = None,
    seconds: float | None = None,
    molecule: int | None = None,
) -> MoleculeRecord:
    """Score one prediction, by all of :data:`torch_afm.metrics.molecules.SCORES`, too.

    Args:
        graph: what was generated; with any of :data:`CONFIDENCE`, these are kept for the calibration:
            ``confidence`` ``[N]``, ``class_probabilities`` ``[N, K]`` (classes without *stop*), ``sigma``
            ``[N, 3]`` Å, ``bond_probability`` ``[E]``, one an entry of ``edge_index``.
        truth: the visible atoms, in the same frame.
        ended: how the generation ended, see :class:`torch_afm.generation.Generation`.
        classes: the classes to distinguish.
        sequence: positions ``[S, 3]`` in Å of all atoms in the order of placing, with those that are not in
            ``graph``: context, and one that was refused.
        steps: passes through the network.
        context: atoms predicted below the surface cut and those that are there.
        images: scores of stacks (:func:`torch_afm.metrics.agreement`), by name.
        pearson: mean Pearson's r of the stack that the generator simulated last with the reference, all
            that a user sees.
        seconds: that the prediction took.
        molecule: number of the molecule; several predictions may be of one.

    Returns:
        the record that :class:`torch_afm.metrics.MoleculeMetrics` sums up.
    """
    placed = graph.pos if sequence is None else sequence
    case = Case(graph, truth, classes, ended, placed, steps, seconds)
    (pred, true), matching, bonds = case.labels, case.matching, case.bonds
    hidden = shadowed(truth.pos)
    found = torch.zeros(len(hidden), dtype=torch.bool)
    found[matching.true] = True
    both = None if context is None else (context[0].pos, context[1].pos)
    return MoleculeRecord(
        molecule=molecule,
        atoms=[graph.z.numel(), truth.z.numel()],
        matched=_matched(graph.pos, truth.pos, pred, true),
        nearest=[
            [m.pred.unique().numel(), m.true.numel()]
            for m in (nearest_atoms(graph.pos, truth.pos, cutoff) for cutoff in CUTOFFS)
        ],
        errors=(graph.pos[matching.pred] - truth.pos[matching.true]).tolist(),
        classes=_pairs(matching, pred, true, len(classes) - 1),
        bonds=[bonds.predicted, bonds.true, bonds.matched],
        ended=ended,
        placed=len(placed),
        shadowed=[int(hidden.sum()), int((hidden & found).sum())],
        failures=dataclasses.asdict(failures(graph.pos, truth.pos, ended, placed)),
        calibration=_confidence(graph, matching, bonds, true),
        pearson=pearson,
        scores={name: known(case) for name, known in SCORES.items()},
        context=None if both is None else [*map(len, both), match_atoms(*both, CUTOFF).pred.numel()],
        images=None if images is None else {name: dict(scores) for name, scores in images.items()},
    )


def _matched(a: Tensor, b: Tensor, pred: Tensor, true: Tensor) -> dict[str, list[int]]:
    """Pairs at each cutoff, for each way of matching."""
    ways: dict[str, dict[str, Any]] = {
        "blind": {},
        "aware": {"z_pred": pred, "z_true": true},
        "lateral": {"xy_only": True},
    }
    return {
        name: [match_atoms(a, b, cutoff, **options).pred.numel() for cutoff in CUTOFFS]
        for name, options in ways.items()
    }


def _pairs(matching: Matching, pred: Tensor, true: Tensor, size: int) -> list[list[int]]:
    """Cells of the confusion of classes, (true, predicted), counted from 0; ``size`` is the row *extra* and
    the column *missing*."""
    return [
        *([int(t), int(p)] for t, p in zip(true[matching.true] - 1, pred[matching.pred] - 1, strict=True)),
        *([int(t), size] for t in true[matching.missing] - 1),
        *([size, int(p)] for p in pred[matching.extra] - 1),
    ]


def _confidence(graph: AFMData, matching: Matching, bonds: BondMatch, true: Tensor) -> dict[str, Any]:
    """What the calibration needs: probabilities, and 0 or 1 for what was so."""
    found: dict[str, Any] = {}
    hit = torch.zeros(graph.z.numel(), dtype=torch.long)
    hit[matching.pred] = 1
    if "confidence" in graph:
        found["atom"] = [graph.confidence.tolist(), hit.tolist()]
    if "class_probabilities" in graph:
        best, label = graph.class_probabilities[matching.pred].max(dim=1)
        right = (label + 1 == true[matching.true]).long()
        found["label"] = [best.clamp(max=1).tolist(), right.tolist()]
    if "bond_probability" in graph:
        once = graph.edge_index[0] < graph.edge_index[1]
        found["bond"] = [graph.bond_probability[once].tolist(), bonds.right[once].long().tolist()]
    if "sigma" in graph:
        found["sigma"] = graph.sigma[matching.pred].tolist()
    return found
