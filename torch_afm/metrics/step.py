"""Scores of single-atom steps: the thesis' tables 5.1 and 5.2 and its figures 5.2 to 5.5."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from torch_afm.elements import AtomClasses
from torch_afm.nn import GeneratorLoss, LossTerms, StepPrediction

#: Quantiles of table 5.2, in %.
PERCENTILES = (90, 95, 99)

#: Width in Å of the depth bins of figure 5.3.
DEPTH_BIN = 0.1


class StepMetrics:
    r"""Scores of single-atom steps, accumulated over batches (the thesis, section 5.1).

    The truth of a step is, as in :class:`~torch_afm.nn.GeneratorLoss`, the missing atom **nearest** to the
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
        self._loss = GeneratorLoss(classes, z_min)
        self._true: list[Tensor] = []
        self._pred: list[Tensor] = []
        self._class_counts = torch.zeros(len(classes), len(classes), dtype=torch.long)
        self._bond_counts = torch.zeros(2, 2, dtype=torch.long)
        self._loss_sums = torch.zeros(3, dtype=torch.float64)
        self._loss_steps = torch.zeros(3, dtype=torch.float64)

    @torch.no_grad()
    def update(self, out: StepPrediction, batch: Batch, loss_terms: LossTerms | None = None) -> None:
        """Count the steps of one batch.

        Args:
            out: what was predicted.
            batch: the collated graphs with their targets, as :class:`~torch_afm.nn.GeneratorLoss` takes them.
            loss_terms: their loss, where the loss is to be reported.
        """
        target, has_target = self._loss.nearest(out.pos, batch)
        self._true.append(batch.missing_pos[target].cpu().double())
        self._pred.append(out.pos[has_target].cpu().double())

        label = torch.zeros_like(has_target, dtype=torch.long)
        label[has_target] = self.classes.of(batch.missing_z[target])
        self._class_counts += _confusion(label, out.class_logits.argmax(dim=-1), len(self.classes))

        is_target = torch.zeros_like(batch.missing_z, dtype=torch.bool)
        is_target[target] = True
        missing, present = batch.missing_edge_index
        bonded = torch.zeros_like(out.edge_logits, dtype=torch.long)
        bonded[present[is_target[missing]]] = 1
        candidates = has_target[batch.batch]
        self._bond_counts += _confusion(bonded[candidates], (out.edge_logits > 0).long()[candidates], 2)

        if loss_terms is not None:
            atoms = torch.bincount(batch.batch, minlength=has_target.numel())
            applies = [has_target.sum(), torch.tensor(has_target.numel()), (has_target & (atoms > 0)).sum()]
            steps = torch.tensor([int(n) for n in applies], dtype=torch.float64)
            parts = (loss_terms.position, loss_terms.node, loss_terms.edge)
            self._loss_sums += steps * torch.tensor([float(part) for part in parts], dtype=torch.float64)
            self._loss_steps += steps

    def positions(self) -> tuple[np.ndarray, np.ndarray]:
        """True and predicted position ``[S, 3]`` in Å of every step with an atom missing: the parity plots of
        figure 5.2."""
        true, pred = (torch.cat([torch.empty(0, 3), *parts]).double() for parts in (self._true, self._pred))
        return true.numpy(), pred.numpy()

    def compute(self) -> dict[str, Any]:
        """Everything so far as plain numbers, ready for JSON; what no step defines is ``None``.

        Returns:
            ``steps``, ``stop_steps``;
            ``loss``: ``position``, ``node``, ``edge`` before, ``total`` after the thesis' weights (table
            5.1);
            ``position_error``: ``mean``, ``median``, ``std``, ``p90``, ``p95``, ``p99`` of ``r``, ``x``,
            ``y``, ``z`` in Å (table 5.2);
            ``parity``: ``slope`` and ``pearson`` of predicted on true ``x``, ``y``, ``z`` (figure 5.2);
            ``depth``: bin ``edges`` in Å, ``count`` of steps and mean error ``r``, ``x``, ``y``, ``z`` of
            each (figure 5.3);
            ``class`` and ``bond``: confusion as ``names``, ``count`` and ``fraction``, a row for each true
            class, fractions of their row (figures 5.4, 5.5);
            ``stop``: ``precision`` and ``recall`` of *stop*.
        """
        true, pred = self.positions()
        error = np.abs(pred - true)
        error = np.column_stack([np.linalg.norm(error, axis=1), error])
        stop = self._class_counts[:, 0].sum(), self._class_counts[0].sum()
        return {
            "steps": int(self._class_counts.sum()),
            "stop_steps": int(self._class_counts[0].sum()),
            "loss": self._losses(),
            "position_error": _summary(error),
            "parity": {axis: _line(true[:, i], pred[:, i]) for i, axis in enumerate("xyz")},
            "depth": self._by_depth(true[:, 2], error),
            "class": _table(self.classes.names, self._class_counts),
            "bond": _table(("no bond", "bond"), self._bond_counts),
            "stop": {
                name: _ratio(int(self._class_counts[0, 0]), int(total))
                for name, total in zip(("precision", "recall"), stop, strict=True)
            },
        }

    def _losses(self) -> dict[str, float | None]:
        names = ("position", "node", "edge")
        values = {
            name: _ratio(float(total), float(steps))
            for name, total, steps in zip(names, self._loss_sums, self._loss_steps, strict=True)
        }
        position, node, edge = (values[name] or 0.0 for name in names)
        total = position + self._loss.node_weight * node + self._loss.edge_weight * edge
        return {**values, "total": total if self._loss_steps[1] else None}

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

    def __repr__(self) -> str:
        return f"{type(self).__name__}({int(self._class_counts.sum())} steps)"


def _confusion(true: Tensor, pred: Tensor, size: int) -> Tensor:
    return torch.bincount(true * size + pred, minlength=size * size).view(size, size).cpu()


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _table(names: tuple[str, ...], counts: Tensor) -> dict[str, Any]:
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
