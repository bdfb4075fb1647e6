"""One-to-one matching of predicted atoms and bonds with true ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from torch_afm.utils import InputError, check_finite, check_shape


@dataclass(frozen=True)
class Matching:
    r"""Which predicted atom stands for which true atom.

    Precision is the matched share of the predicted atoms, recall that of the true atoms, F1 their harmonic
    mean :math:`2K/(N+M)`. A share of nothing is 0, so that silence earns no precision and an empty truth
    forgives no atom; only where both sets are empty are all three 1.

    Args:
        pred: indices of the matched predicted atoms, ascending.
        true: their partners among the true atoms.
        distance: distance of each pair in Å (lateral distance where only x and y were compared).
        missing: indices of the true atoms without a partner, ascending.
        extra: indices of the predicted atoms without a partner, ascending.

    Shapes:
        pred, true, distance ``[K]``, missing ``[M - K]``, extra ``[N - K]``.
    """

    pred: Tensor
    true: Tensor
    distance: Tensor
    missing: Tensor
    extra: Tensor

    @property
    def precision(self) -> float:
        """Matched share of the predicted atoms."""
        matched = self.pred.unique().numel()
        return self._share(matched, matched + self.extra.numel())

    @property
    def recall(self) -> float:
        """Matched share of the true atoms."""
        return self._share(self.true.numel(), self.true.numel() + self.missing.numel())

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        p, r = self.precision, self.recall
        return 2 * p * r / (p + r) if p + r else 0.0

    def _share(self, part: int, whole: int) -> float:
        if whole:
            return part / whole
        return 0.0 if self.missing.numel() or self.extra.numel() else 1.0


def match_atoms(
    pos_pred: Tensor,
    pos_true: Tensor,
    cutoff: float = 0.5,
    z_pred: Tensor | None = None,
    z_true: Tensor | None = None,
    xy_only: bool = False,
) -> Matching:
    r"""Match predicted and true atoms one to one: as many pairs within ``cutoff`` as possible and, among the
    matchings with that many, the one of least total distance (exact; Kuhn, Nav. Res. Log. Q. 2, 83 (1955)).

    A pair farther apart than ``cutoff`` (:math:`r_c`), or of different classes, is forbidden. The assignment
    minimizes the sum of :math:`d_{ij} - B` over allowed pairs with :math:`B = (\min(N, M) + 1)\, r_c`, larger
    than any total distance: one more pair always outweighs any gain in distance.

    Args:
        pos_pred: predicted positions in Å.
        pos_true: true positions in Å.
        cutoff: largest distance of a pair in Å.
        z_pred: atomic number (or class) of each predicted atom; with ``z_true``, only equals may match.
            Without both, the matching is blind to elements.
        z_true: atomic number (or class) of each true atom.
        xy_only: compare x and y alone.

    Shapes:
        pos_pred ``[N, 3]``, pos_true ``[M, 3]``, z_pred ``[N]``, z_true ``[M]``; N and M may be 0.

    Raises:
        InputError: for positions that are not finite or of the wrong shape, a cutoff that is not a positive
            number, or only one of ``z_pred`` and ``z_true``.
    """
    _check(pos_pred, pos_true, cutoff)
    for name, pos, z in (("z_pred", pos_pred, z_pred), ("z_true", pos_true, z_true)):
        if z is not None:
            check_shape(name, z, (pos.shape[0],))
    if (z_pred is None) != (z_true is None):
        raise InputError("z_pred, z_true: expected both or neither, got one")

    dims = 2 if xy_only else 3
    a, b = (p.detach().cpu().double()[:, :dims] for p in (pos_pred, pos_true))
    distance = torch.linalg.vector_norm(a[:, None] - b[None], dim=-1)
    allowed = distance <= cutoff
    if z_pred is not None and z_true is not None:
        allowed &= z_pred.cpu()[:, None] == z_true.cpu()[None]
    bonus = (min(distance.shape) + 1) * cutoff
    cost = torch.where(allowed, distance - bonus, torch.zeros_like(distance))
    rows, cols = (torch.from_numpy(i).long() for i in linear_sum_assignment(cost.numpy()))
    kept = allowed[rows, cols]
    rows, cols = rows[kept], cols[kept]
    return Matching(
        pred=rows,
        true=cols,
        distance=distance[rows, cols],
        missing=_rest(cols, b.shape[0]),
        extra=_rest(rows, a.shape[0]),
    )


def nearest_atoms(pos_pred: Tensor, pos_true: Tensor, cutoff: float = 0.5) -> Matching:
    """The matching of the published graph generators (Oinonen et al., MRS Bulletin 47, 895 (2022), and their
    code for water layers), **not one to one**: each true atom takes the predicted atom nearest to it, if that
    is closer than ``cutoff``. One predicted atom may stand for several true ones, so recall is never below
    that of :func:`match_atoms`; precision, which counts a predicted atom once, is never above it. For
    comparison with published numbers alone.

    Args:
        pos_pred: predicted positions in Å.
        pos_true: true positions in Å.
        cutoff: in Å, itself excluded.

    Returns:
        the pairs, by true atom; ``pred`` may hold an atom more than once.

    Shapes:
        pos_pred ``[N, 3]``, pos_true ``[M, 3]``; N and M may be 0.

    Raises:
        InputError: as :func:`match_atoms`.
    """
    _check(pos_pred, pos_true, cutoff)
    distance = torch.cdist(pos_true.detach().cpu().double(), pos_pred.detach().cpu().double())
    if distance.size(1):
        nearest, pred = distance.min(dim=1)
    else:
        nearest, pred = torch.full((len(distance),), torch.inf), torch.zeros(len(distance), dtype=torch.long)
    true = (nearest < cutoff).nonzero().flatten()
    return Matching(
        pred=pred[true],
        true=true,
        distance=nearest[true],
        missing=_rest(true, len(distance)),
        extra=_rest(pred[true], distance.size(1)),
    )


def _check(pos_pred: Tensor, pos_true: Tensor, cutoff: float) -> None:
    for name, pos in (("pos_pred", pos_pred), ("pos_true", pos_true)):
        check_shape(name, pos, (None, 3))
        check_finite(name, pos)
    if not (math.isfinite(cutoff) and cutoff > 0):
        raise InputError(f"cutoff: expected a positive number of Å, got {cutoff}")


def _rest(taken: Tensor, n: int) -> Tensor:
    left = torch.ones(n, dtype=torch.bool)
    left[taken] = False
    return left.nonzero().flatten()


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
