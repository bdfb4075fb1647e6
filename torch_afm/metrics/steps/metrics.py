"""Scores of single-atom steps: tables 5.1 and 5.2 and figures 5.2 to 5.5 of the graph-AFM thesis, Aalto
University (see CITATION.cff)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import Batch
from torch_geometric.utils import scatter

from torch_afm.elements import AtomClasses
from torch_afm.metrics.calibration import reliability
from torch_afm.metrics.intervals import bootstrap
from torch_afm.nn import SequentialLoss, StepPrediction
from torch_afm.utils import InputError, check_shape

#: Quantiles of table 5.2, in %.
PERCENTILES = (90, 95, 99)

#: Width in Å of the depth bins of figure 5.3.
DEPTH_BIN = 0.1

#: What is kept of every step, and the shape of one step's.
COLUMNS: dict[str, tuple[tuple[int, ...], type]] = {
    "molecule": ((), np.int64),
    "label": ((), np.int64),
    "predicted": ((), np.int64),
    "probability": ((), np.float64),
    "true": ((3,), np.float64),
    "pred": ((3,), np.float64),
    "bonds": ((2, 2), np.int64),
    "loss": ((3,), np.float64),
}


class StepMetrics:
    r"""Scores of single-atom steps, gathered over batches (the thesis, section 5.1).

    The truth of a step is, as in :class:`~torch_afm.nn.SequentialLoss`, the missing atom **nearest** to the
    predicted position: its class, its position, its bonds to the atoms there. Where nothing is missing the
    truth is *stop*, and the step counts in the classes alone. The predicted class is the most probable one; a
    bond is predicted where its probability exceeds 0.5. Position and bonds are scored whatever the class.

    Parts of the loss are averaged over all the steps that each applies to, so nothing here depends on how the
    steps were cut into batches.

    Args:
        classes: the classes that are predicted.
        z_min: depth of the surface cut in Å, where the depth bins end.
    """

    def __init__(self, classes: AtomClasses, z_min: float = -0.7) -> None:
        self.classes = classes
        self.z_min = z_min
        self._loss = SequentialLoss(classes, z_min)
        self._parts: list[dict[str, np.ndarray]] = []

    @torch.no_grad()
    def update(self, out: StepPrediction, batch: Batch, molecule: np.ndarray | None = None) -> None:
        """Count the steps of one batch.

        Args:
            out: what was predicted.
            batch: the collated graphs with their targets, as
                :class:`~torch_afm.nn.SequentialLoss` takes them.
            molecule: number of the molecule that each step is one of, ``[B]``; without it every step counts
                as a molecule of its own in :meth:`intervals`.
        """
        size = out.class_logits.size(0)
        if molecule is None:
            molecule = len(self) + np.arange(size)
        target, has_target = self._loss.nearest(out.pos, batch)
        nan = out.pos.new_full((size, 3), torch.nan, dtype=torch.float64)
        true, pos = nan.clone(), out.pos.double()
        true[has_target] = batch.missing_pos[target].double()
        label = torch.zeros_like(has_target, dtype=torch.long)
        label[has_target] = self.classes.of(batch.missing_z[target])

        is_target = torch.zeros_like(batch.missing_z, dtype=torch.bool)
        is_target[target] = True
        missing, present = batch.missing_edge_index
        bonded = torch.zeros_like(out.edge_logits, dtype=torch.long)
        bonded[present[is_target[missing]]] = 1
        logits = out.edge_logits.double()
        cell = F.one_hot(2 * bonded + (logits > 0).long(), 4)
        bonds = scatter(cell, batch.batch, dim=0, dim_size=size) * has_target[:, None]

        # The loss of each step: their means are what SequentialLoss gives of a batch.
        losses = nan
        losses[:, 0] = (1 - true[:, 2] / (2 * self.z_min)) * (true - pos).square().sum(dim=-1)
        losses[:, 1] = F.cross_entropy(out.class_logits.double(), label, reduction="none")
        edge = F.binary_cross_entropy_with_logits(logits, bonded.double(), reduction="none")
        applies = has_target & (torch.bincount(batch.batch, minlength=size) > 0)
        losses[applies, 2] = scatter(edge, batch.batch, dim_size=size, reduce="mean")[applies]
        probability, predicted = out.class_logits.double().softmax(dim=-1).max(dim=-1)
        values = (label, predicted, probability, true, pos, bonds.view(-1, 2, 2), losses)
        arrays = [np.asarray(molecule), *(_numpy(value) for value in values)]
        self._parts.append(_checked(dict(zip(COLUMNS, arrays, strict=True))))

    def rows(self) -> dict[str, np.ndarray]:
        """What was kept of every step, one row each, as plain arrays that ``numpy.savez`` takes:

        ``molecule``; ``label`` and ``predicted`` class, and the ``probability`` of the latter; ``true`` (NaN
        where nothing is missing) and ``pred`` position in Å; ``bonds``, a 2 x 2 table of the step, rows true;
        ``loss``: position, node, edge (NaN where one does not apply).

        Shapes:
            ``[S]`` (four), ``[S, 3]``, ``[S, 3]``, ``[S, 2, 2]``, ``[S, 3]``.
        """
        if len(self._parts) != 1:
            empty: dict[str, np.ndarray] = {
                name: np.empty((0, *shape), dtype) for name, (shape, dtype) in COLUMNS.items()
            }
            parts = [empty, *self._parts]
            self._parts = [{name: np.concatenate([part[name] for part in parts]) for name in COLUMNS}]
        return dict(self._parts[0])

    @classmethod
    def from_rows(
        cls, rows: Mapping[str, np.ndarray], classes: AtomClasses, z_min: float = -0.7
    ) -> StepMetrics:
        """Metrics of what :meth:`rows` returned.

        Raises:
            InputError: for columns that are missing or of other shapes.
        """
        metrics = cls(classes, z_min)
        lost = [name for name in COLUMNS if name not in rows]
        if lost:
            raise InputError(
                f"rows: expected the columns {', '.join(COLUMNS)}, got none of {', '.join(lost)}"
            )
        metrics._parts.append(_checked({name: np.asarray(rows[name]) for name in COLUMNS}))
        return metrics

    def positions(self) -> tuple[np.ndarray, np.ndarray]:
        """True and predicted position ``[S, 3]`` in Å of every step with an atom missing: the parity plots of
        figure 5.2."""
        rows = self.rows()
        there = rows["label"] > 0
        return rows["true"][there], rows["pred"][there]

    def compute(self) -> dict[str, Any]:
        """Everything so far as plain numbers, ready for JSON; what no step defines is ``None``.

        Returns:
            ``steps``, ``stop_steps``, ``molecules``;
            ``loss``: ``position``, ``node``, ``edge`` before, ``total`` after the thesis' weights (table
            5.1);
            ``position_error``: ``mean``, ``median``, ``std``, ``p90``, ``p95``, ``p99`` of ``r``, ``x``,
            ``y``, ``z`` in Å (table 5.2);
            ``parity``: ``slope`` and ``pearson`` of predicted on true ``x``, ``y``, ``z`` (figure 5.2);
            ``depth``: bin ``edges`` in Å, ``count`` of steps and mean error ``r``, ``x``, ``y``, ``z`` of
            each (figure 5.3);
            ``class`` and ``bond``: confusion as ``names``, ``count`` and ``fraction``, a row for each true
            class, fractions of their row (figures 5.4, 5.5);
            ``stop``: ``precision`` and ``recall`` of *stop*;
            ``calibration``: :func:`~torch_afm.metrics.calibration.reliability` of the probability of the
            class.
        """
        return self._score(self.rows())

    def intervals(self, n: int = 1000, level: float = 0.95, seed: int = 0) -> dict[str, Any]:
        """Bootstrap intervals ``[low, high]`` of the numbers of :meth:`compute`, in its layout without
        counts, names and edges; molecules are resampled with all their steps
        (:func:`torch_afm.metrics.intervals.bootstrap`). ``None`` for what no step defines.

        Args:
            n: resamples.
            level: share of the resamples inside.
            seed: of the resampling.
        """
        rows = self.rows()

        def numbers(index: np.ndarray) -> dict[str, Any]:
            return _numbers(self._score({name: column[index] for name, column in rows.items()}))

        return bootstrap(numbers, rows["molecule"], n, level, seed)

    def _score(self, rows: Mapping[str, np.ndarray]) -> dict[str, Any]:
        there = rows["label"] > 0
        true, pred = rows["true"][there], rows["pred"][there]
        error = np.abs(pred - true)
        error = np.column_stack([np.linalg.norm(error, axis=1), error])
        size = len(self.classes)
        cells = np.bincount(rows["label"] * size + rows["predicted"], minlength=size * size)
        classes = cells.reshape(size, size)
        stop = {"precision": classes[:, 0].sum(), "recall": classes[0].sum()}
        return {
            "steps": len(there),
            "stop_steps": int(len(there) - there.sum()),
            "molecules": len(np.unique(rows["molecule"])),
            "loss": self._losses(rows["loss"]),
            "position_error": _summary(error),
            "parity": {axis: _line(true[:, i], pred[:, i]) for i, axis in enumerate("xyz")},
            "depth": self._by_depth(true[:, 2], error),
            "class": _table(self.classes.names, classes),
            "bond": _table(("no bond", "bond"), rows["bonds"].sum(axis=0)),
            "stop": {name: _ratio(int(classes[0, 0]), int(total)) for name, total in stop.items()},
            "calibration": reliability(rows["probability"].clip(0, 1), rows["predicted"] == rows["label"]),
        }

    def _losses(self, losses: np.ndarray) -> dict[str, float | None]:
        applies = ~np.isnan(losses)
        sums, steps = np.where(applies, losses, 0).sum(axis=0), applies.sum(axis=0)
        names = ("position", "node", "edge")
        values = {
            name: _ratio(float(total), float(count))
            for name, total, count in zip(names, sums, steps, strict=True)
        }
        position, node, edge = (values[name] or 0.0 for name in names)
        total = position + self._loss.config.node_weight * node + self._loss.config.edge_weight * edge
        return {**values, "total": total if len(losses) else None}

    def _by_depth(self, depth: np.ndarray, error: np.ndarray) -> dict[str, Any]:
        bins = max(1, round(-self.z_min / DEPTH_BIN))
        edges = np.linspace(self.z_min, 0.0, bins + 1)
        index = np.clip(np.digitize(depth, edges) - 1, 0, bins - 1)
        count = np.bincount(index, minlength=bins)
        sums = np.stack([np.bincount(index, column, minlength=bins) for column in error.T])
        means = {
            name: [_ratio(float(s), int(n)) for s, n in zip(row, count, strict=True)]
            for name, row in zip("rxyz", sums, strict=True)
        }
        return {"edges": edges.tolist(), "count": count.tolist(), **means}

    def __len__(self) -> int:
        return sum(len(part["label"]) for part in self._parts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} steps)"


def _numpy(value: Tensor) -> np.ndarray:
    return value.cpu().numpy()


def _checked(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    for name, (shape, _) in COLUMNS.items():
        check_shape(name, rows[name], (len(rows["label"]), *shape))
    return rows


def _numbers(table: dict[str, Any]) -> dict[str, Any]:
    """The part of a table that has intervals."""
    fixed = ("steps", "stop_steps", "molecules", "count", "names", "edges")
    return {
        name: _numbers(part) if isinstance(part, dict) else part
        for name, part in table.items()
        if name not in fixed
    }


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _table(names: tuple[str, ...], counts: np.ndarray) -> dict[str, Any]:
    rows = counts.tolist()
    fractions = [[_ratio(n, sum(row)) for n in row] for row in rows]
    return {"names": list(names), "count": rows, "fraction": fractions}


def _summary(error: np.ndarray) -> dict[str, dict[str, float | None]]:
    names = ("mean", "median", "std", *(f"p{q}" for q in PERCENTILES))
    if not len(error):
        return {name: dict.fromkeys("rxyz") for name in names}
    rows = (error.mean(0), np.median(error, axis=0), error.std(0), *np.percentile(error, PERCENTILES, axis=0))
    return {name: dict(zip("rxyz", row.tolist(), strict=True)) for name, row in zip(names, rows, strict=True)}


def _line(true: np.ndarray, pred: np.ndarray) -> dict[str, float | None]:
    """Least-squares slope of predicted on true, and their correlation; ``None`` without any spread."""
    if not len(true):
        return {"slope": None, "pearson": None}
    dt, dp = true - true.mean(), pred - pred.mean()
    cross, tt, pp = float(dt @ dp), float(dt @ dt), float(dp @ dp)
    return {"slope": _ratio(cross, tt), "pearson": _ratio(cross, float(np.sqrt(tt * pp)))}
