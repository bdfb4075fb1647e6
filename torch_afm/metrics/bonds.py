"""Bonds of a prediction against the true ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from torch_afm.metrics.matching import Matching


@dataclass(frozen=True)
class BondMatch:
    r"""How many bonds were predicted, how many there are, and which of the predicted are right: both ends are
    matched atoms, and their partners are bonded. Precision is the right share of **all** predicted bonds,
    recall that of **all** true ones, so a bond to an atom that was not found is missed.

    Args:
        predicted: predicted bonds, each once.
        true: true bonds, each once.
        matched: right ones among the predicted.
        right: whether each entry of the predicted ``edge_index`` is right.

    Shapes:
        right ``[E]`` booleans.
    """

    predicted: int
    true: int
    matched: int
    right: Tensor

    @property
    def precision(self) -> float | None:
        """``None`` without a predicted bond."""
        return self.matched / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        """``None`` without a true bond."""
        return self.matched / self.true if self.true else None

    @property
    def f1(self) -> float | None:
        """``None`` without any bond."""
        total = self.predicted + self.true
        return 2 * self.matched / total if total else None


def match_bonds(edge_pred: Tensor, edge_true: Tensor, matching: Matching) -> BondMatch:
    """Compare predicted with true bonds by the atoms they stand between.

    Args:
        edge_pred: predicted bonds, in one or both directions.
        edge_true: true bonds, in one or both directions.
        matching: which predicted atom stands for which true one, one to one
            (:func:`torch_afm.metrics.match_atoms`).

    Shapes:
        edge_pred ``[2, E]``, edge_true ``[2, F]``.
    """
    partner = dict(zip(matching.pred.tolist(), matching.true.tolist(), strict=True))
    true = _bonds(edge_true)
    mapped = [
        frozenset((partner.get(i, -1), partner.get(j, -1)))
        for i, j in zip(*edge_pred.cpu().tolist(), strict=True)
    ]
    right = edge_pred.new_tensor([pair in true for pair in mapped], dtype=torch.bool)
    predicted = _bonds(edge_pred)
    return BondMatch(len(predicted), len(true), len(true.intersection(mapped)), right)


def _bonds(edge_index: Tensor) -> set[frozenset[int]]:
    return {frozenset(edge) for edge in zip(*edge_index.cpu().tolist(), strict=True)}
