"""All that is kept of one scored prediction."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from torch_afm.data import AFMData, valence_errors
from torch_afm.elements import AtomClasses
from torch_afm.metrics.bonds import BondMatch, match_bonds
from torch_afm.metrics.graphs import (
    MAX_ATOMS,
    chamfer,
    edit_distance,
    hausdorff,
    is_valid,
    least_edit_distance,
)
from torch_afm.metrics.matching import Matching, match_atoms, nearest_atoms
from torch_afm.metrics.sequences import duplicates, failures, first_is_top, shadowed

#: Distances in Å within which an atom is found.
CUTOFFS = (0.35, 0.5, 1.0)

#: The distance in Å at which everything else than shares of atoms is scored.
CUTOFF = 0.5

#: What the atoms of a prediction may carry, for the calibration of it.
CONFIDENCE = ("confidence", "class_probabilities", "sigma", "bond_probability")


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
) -> dict[str, Any]:
    """Score one prediction, as plain numbers that JSON takes; what was not given is left out or ``None``.

    Args:
        graph: what was generated; with any of :data:`CONFIDENCE`, these are kept for the calibration:
            ``confidence`` ``[N]``, ``class_probabilities`` ``[N, K]`` (classes without *stop*), ``sigma``
            ``[N, 3]`` Å, ``bond_probability`` ``[E]``, one an entry of ``edge_index``.
        truth: the visible atoms, in the same frame.
        ended: how the generation ended, see :class:`torch_afm.generation.Generation`.
        classes: the classes that are told apart.
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
    pred, true = classes.of(graph.z), classes.of(truth.z)
    matching = match_atoms(graph.pos, truth.pos, CUTOFF)
    bonds = match_bonds(graph.edge_index, truth.edge_index, matching)
    edits = edit_distance(graph, truth, matching, (pred, true))
    placed = graph.pos if sequence is None else sequence
    small = max(graph.z.numel(), truth.z.numel()) <= MAX_ATOMS
    least = least_edit_distance(graph, truth, (pred, true)) if small else None
    hidden = shadowed(truth.pos)
    found = torch.zeros(len(hidden), dtype=torch.bool)
    found[matching.true] = True
    record: dict[str, Any] = {
        "molecule": molecule,
        "atoms": [graph.z.numel(), truth.z.numel()],
        "matched": _matched(graph.pos, truth.pos, pred, true),
        "nearest": [
            [m.pred.unique().numel(), m.true.numel()]
            for m in (nearest_atoms(graph.pos, truth.pos, cutoff) for cutoff in CUTOFFS)
        ],
        "errors": (graph.pos[matching.pred] - truth.pos[matching.true]).tolist(),
        "classes": _pairs(matching, pred, true, len(classes) - 1),
        "hausdorff": hausdorff(graph.pos, truth.pos),
        "chamfer": chamfer(graph.pos, truth.pos),
        "bonds": [bonds.predicted, bonds.true, bonds.matched],
        "valence_errors": int(valence_errors(graph.z, graph.edge_index).sum()),
        "valid": is_valid(graph),
        "edits": edits,
        "least_edits": least,
        "ended": ended,
        "steps": steps,
        "placed": len(placed),
        "duplicates": duplicates(placed),
        "first_is_top": first_is_top(placed, truth.pos, CUTOFF),
        "shadowed": [int(hidden.sum()), int((hidden & found).sum())],
        "failures": dataclasses.asdict(failures(graph.pos, truth.pos, ended, placed)),
        "calibration": _confidence(graph, matching, bonds, true),
        "pearson": pearson,
        "seconds": seconds,
    }
    if context is not None:
        both = (context[0].pos, context[1].pos)
        record["context"] = [*map(len, both), match_atoms(*both, CUTOFF).pred.numel()]
    if images is not None:
        record["images"] = {name: dict(scores) for name, scores in images.items()}
    return record


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
