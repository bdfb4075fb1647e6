"""Compare predictions of one scan with each other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.metrics import match_atoms
from torch_afm.utils import InputError


@dataclass(frozen=True)
class Consistency:
    """Agreement of several predictions of the same structure.

    Args:
        f1: F1 of each two, one taken for the truth of the other.
        distance: root mean square distance of their matched atoms in Å; NaN where none match.
        support: share of the other predictions that have each atom, one tensor a prediction.
        cutoff: Å within which two atoms match.

    Shapes:
        f1 and distance ``[R, R]``, support R times ``[N]``.
    """

    f1: Tensor
    distance: Tensor
    support: list[Tensor]
    cutoff: float

    @property
    def mean_f1(self) -> float:
        """Mean F1 of all pairs."""
        n = len(self.f1)
        return float((self.f1.sum() - n) / (n * (n - 1)))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, ``None`` for what is not defined."""
        distance = [[None if math.isnan(d) else d for d in row] for row in self.distance.tolist()]
        return {"cutoff": self.cutoff, "f1": self.f1.tolist(), "distance": distance, "mean_f1": self.mean_f1}


def consistency(graphs: Sequence[AFMData], cutoff: float = 0.5) -> Consistency:
    """Compare predictions, all in one frame, each with each (:func:`torch_afm.metrics.match_atoms`).

    How high the tip was is unknown, and shifts all atoms of a prediction alike: of two, the median difference
    in height of the atoms that match laterally counts for nothing.

    Args:
        graphs: two or more.
        cutoff: Å within which two atoms match.

    Raises:
        InputError: for fewer than two graphs.
    """
    n = len(graphs)
    if n < 2:
        raise InputError(f"graphs: expected two or more, got {n}")
    f1, distance = torch.eye(n), torch.zeros(n, n)
    support = [torch.zeros(len(g.z)) for g in graphs]
    for i, j in itertools.combinations(range(n), 2):
        a, b = graphs[i].pos, graphs[j].pos
        matched = match_atoms(a, b + _lift(a, b, cutoff), cutoff)
        f1[i, j] = f1[j, i] = matched.f1
        d = matched.distance
        distance[i, j] = distance[j, i] = d.square().mean().sqrt() if len(d) else math.nan
        support[i][matched.pred] += 1 / (n - 1)
        support[j][matched.true] += 1 / (n - 1)
    return Consistency(f1, distance, support, cutoff)


def _lift(a: Tensor, b: Tensor, cutoff: float) -> Tensor:
    """What brings ``b`` to the height of ``a``, ``[3]``."""
    flat = a.new_tensor([1.0, 1.0, 0.0])
    matched = match_atoms(a * flat, b * flat, cutoff)
    lift = torch.zeros_like(flat)
    if len(matched.pred):
        lift[2] = (a[matched.pred, 2] - b[matched.true, 2]).median()
    return lift
