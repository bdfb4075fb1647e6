"""The numbers of many scored predictions, as arrays that a bootstrap can draw from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from torch_afm.metrics.molecules.record import CUTOFFS, MoleculeRecord
from torch_afm.metrics.molecules.registry import SCORES

#: Quantiles of the position errors, in %.
PERCENTILES = (90, 95, 99)

#: Ways of matching, one to one.
WAYS = ("blind", "aware", "lateral")


class Columns:
    """What each record of :func:`torch_afm.metrics.molecules.score_molecule` says, a row a prediction; NaN
    where it says nothing.

    Args:
        records: the predictions; one without a number of its molecule is one of its own.
    """

    def __init__(self, records: Sequence[MoleculeRecord]) -> None:
        numbers = [record.molecule for record in records]
        own = max((n for n in numbers if n is not None), default=-1) + 1
        self.molecule = np.array([own + i if n is None else n for i, n in enumerate(numbers)], dtype=int)
        self.atoms = _table([r.atoms for r in records], 2)
        self.matched = {way: _table([r.matched[way] for r in records], len(CUTOFFS)) for way in WAYS}
        self.nearest = _table([np.ravel(r.nearest) for r in records], 2 * len(CUTOFFS))
        self.bonds = _table([r.bonds for r in records], 3)
        self.shadowed = _table([r.shadowed for r in records], 2)
        self.context = _table([r.context or [np.nan] * 3 for r in records], 3)
        self.placed = np.array([r.placed for r in records], dtype=float)
        self.scores = {
            name: np.array([_number(r.scores.get(name)) for r in records], dtype=float) for name in SCORES
        }
        names = records[0].failures if records else ()
        self.failures = {k: np.array([r.failures[k] for r in records], dtype=float) for k in names}
        imaged = [r.images for r in records if r.images is not None]
        shown: dict[str, dict[str, Any]] = imaged[0] if imaged else {}
        self.image_keys = [(name, score) for name, scores in shown.items() for score in scores]
        self.images = np.array([[images[n][s] for n, s in self.image_keys] for images in imaged], dtype=float)
        self.imaged = np.array([r.images is not None for r in records], dtype=bool)
        errors = [np.array(r.errors).reshape(-1, 3) for r in records]
        self.errors = np.abs(np.concatenate([np.empty((0, 3)), *errors]))
        self.ends = np.cumsum([0, *map(len, errors)])


def summarize(columns: Columns, index: np.ndarray) -> dict[str, Any]:
    """The scores of some predictions; ``None`` for what none of them defines.

    Args:
        columns: of all predictions.
        index: which of them, repeats allowed.

    Returns:
        ``atoms`` predicted, ``missing`` and ``extra`` at 0.5 Å and ``count_error`` (predicted less true,
        absolute), each in the mean;
        ``precision``, ``recall``, ``f1`` by cutoff, and the same in ``aware``, ``lateral``, ``nearest``
        and ``macro``;
        ``position_error``: ``mean``, ``median``, ``std``, ``p90``, ``p95``, ``p99`` of ``r``, ``xy``, ``x``,
        ``y``, ``z`` in Å, of the atoms matched at 0.5 Å;
        ``bonds``: ``precision``, ``recall``, ``f1``;
        ``duplicate_share`` of the atoms placed; ``shadowed_recall`` and ``open_recall``, of atoms below
        another and of the rest;
        ``failures``: shares; ``context``: ``precision``, ``recall``; ``images``: by stack and score, means
        over predictions, the last entry of each the mean of all slices;
        the mean of each of :data:`torch_afm.metrics.molecules.SCORES`.
    """
    atoms, blind = columns.atoms[index], columns.matched["blind"][index]
    predicted, true = atoms.sum(axis=0).tolist()
    middle = blind[:, CUTOFFS.index(0.5)]
    hidden, seen = columns.shadowed[index].sum(axis=0).tolist()
    near = columns.nearest[index].sum(axis=0).reshape(len(CUTOFFS), 2)
    context = columns.context[index]
    deep = context[~np.isnan(context[:, 0])].sum(axis=0).tolist()
    return {
        "atoms": _mean(atoms[:, 0]),
        "missing": _mean(atoms[:, 1] - middle),
        "extra": _mean(atoms[:, 0] - middle),
        "count_error": _mean(np.abs(atoms[:, 0] - atoms[:, 1])),
        **_shares(blind.sum(axis=0), predicted, true),
        "aware": _shares(columns.matched["aware"][index].sum(axis=0), predicted, true),
        "lateral": _shares(columns.matched["lateral"][index].sum(axis=0), predicted, true),
        "nearest": _nearest(near, predicted, true),
        "macro": _macro(blind, atoms),
        "position_error": _errors(columns, index),
        "bonds": _of_counts(*columns.bonds[index].sum(axis=0).tolist()),
        "duplicate_share": _ratio(columns.scores["duplicates"][index].sum(), columns.placed[index].sum()),
        "shadowed_recall": _ratio(seen, hidden),
        "open_recall": _ratio(middle.sum() - seen, true - hidden),
        "failures": {name: _mean(values[index]) for name, values in columns.failures.items()},
        "context": _of_counts(*deep),
        "images": _images(columns, index),
        **{name: _mean(values[index]) for name, values in columns.scores.items()},
    }


def _errors(columns: Columns, index: np.ndarray) -> dict[str, dict[str, float | None]]:
    parts = [columns.errors[columns.ends[i] : columns.ends[i + 1]] for i in index]
    xyz = np.concatenate([np.empty((0, 3)), *parts])
    names = ("mean", "median", "std", *(f"p{q}" for q in PERCENTILES))
    axes = ("r", "xy", "x", "y", "z")
    if not len(xyz):
        return {name: dict.fromkeys(axes) for name in names}
    r, xy = np.sqrt((xyz**2).sum(axis=1)), np.hypot(xyz[:, 0], xyz[:, 1])
    error = np.column_stack([r, xy, xyz])
    quantiles = np.percentile(error, (50, *PERCENTILES), axis=0)
    rows = (error.mean(axis=0), quantiles[0], error.std(axis=0), *quantiles[1:])
    return {name: dict(zip(axes, row.tolist(), strict=True)) for name, row in zip(names, rows, strict=True)}


def _images(columns: Columns, index: np.ndarray) -> dict[str, dict[str, list[float | None]]]:
    place = np.cumsum(columns.imaged) - 1
    rows = place[index[columns.imaged[index]]]
    found: dict[str, dict[str, list[float | None]]] = {}
    if not columns.image_keys:
        return found
    means = columns.images[rows].mean(axis=0) if len(rows) else np.full(columns.images.shape[1:], np.nan)
    for (name, score), slices in zip(columns.image_keys, means, strict=True):
        values = [*slices.tolist(), float(slices.mean())]
        found.setdefault(name, {})[score] = [None if np.isnan(v) else v for v in values]
    return found


def _shares(matched: np.ndarray, predicted: float, true: float) -> dict[str, dict[str, float | None]]:
    whole = {"precision": predicted, "recall": true, "f1": (predicted + true) / 2}
    return {
        name: {str(c): _ratio(k, n) for c, k in zip(CUTOFFS, matched.tolist(), strict=True)}
        for name, n in whole.items()
    }


def _nearest(hits: np.ndarray, predicted: float, true: float) -> dict[str, dict[str, float | None]]:
    """As :func:`_shares`, of predicted atoms that were taken and of true atoms that took one."""
    table: dict[str, dict[str, float | None]] = {"precision": {}, "recall": {}, "f1": {}}
    for cutoff, (taken, taking) in zip(CUTOFFS, hits.tolist(), strict=True):
        p, r = _ratio(taken, predicted), _ratio(taking, true)
        table["precision"][str(cutoff)], table["recall"][str(cutoff)] = p, r
        table["f1"][str(cutoff)] = _ratio(2 * (p or 0.0) * (r or 0.0), (p or 0.0) + (r or 0.0))
    return table


def _macro(matched: np.ndarray, atoms: np.ndarray) -> dict[str, dict[str, float | None]]:
    """Means over molecules; silence about nothing is right, and any other share of nothing 0."""
    whole = {"precision": atoms[:, 0], "recall": atoms[:, 1], "f1": atoms.sum(axis=1) / 2}
    empty = atoms.sum(axis=1) == 0
    return {
        name: {
            str(c): _mean(np.where(empty, 1.0, k / np.maximum(n, 0.5)))
            for c, k in zip(CUTOFFS, matched.T, strict=True)
        }
        for name, n in whole.items()
    }


def _of_counts(predicted: float, true: float, matched: float) -> dict[str, float | None]:
    return {
        "precision": _ratio(matched, predicted),
        "recall": _ratio(matched, true),
        "f1": _ratio(2 * matched, predicted + true),
    }


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _number(value: float | bool | None) -> float:
    return np.nan if value is None else float(value)


def _table(rows: Sequence[Any], width: int) -> np.ndarray:
    return np.array(rows, dtype=float).reshape(-1, width)
