"""Matching of the atoms above a surface cut that is blurred: an atom that lies a little above it may as well
lie a little below."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from torch_afm.metrics.atoms.matching import match_atoms
from torch_afm.utils import InputError


@dataclass(frozen=True)
class SurfaceMatch:
    r"""How many atoms above a surface cut were predicted, how many there are, and how many were found.

    Shares are those of :class:`torch_afm.metrics.atoms.Matching`: of nothing 0, and 1 where there is nothing
    to find and nothing was predicted.

    Args:
        matched: pairs.
        predicted: these, and predicted atoms without a partner that are wrong.
        true: these, and true atoms without a partner that are missing.
    """

    matched: int
    predicted: int
    true: int

    @property
    def precision(self) -> float:
        """Matched share of the predicted atoms."""
        return self._share(self.matched, self.predicted)

    @property
    def recall(self) -> float:
        """Matched share of the true atoms."""
        return self._share(self.matched, self.true)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return self._share(2 * self.matched, self.predicted + self.true)

    def _share(self, part: int, whole: int) -> float:
        if whole:
            return part / whole
        return 0.0 if self.predicted or self.true else 1.0


def match_surface(
    pos_pred: Tensor,
    pos_true: Tensor,
    z_min: float = -0.7,
    band: float = 0.15,
    cutoff: float = 0.5,
    xy_only: bool = False,
) -> SurfaceMatch:
    r"""Match the atoms above a surface cut, with a band around the cut that counts for nothing.

    Predicted and true atoms of any height, down to ``cutoff`` below the cut, are matched one to one
    (:func:`match_atoms`). Of the pairs those count that have an atom above the cut, and each of these is
    right. An atom without a partner is wrong, or missing, where it lies :math:`\delta` or more above the cut;
    between :math:`z_\mathrm{min} - \delta` and :math:`z_\mathrm{min} + \delta`, the band, nobody can say
    whether it belongs there, and farther below it does not belong there. With :math:`K` such pairs, :math:`W`
    wrong and :math:`L` missing atoms

    .. math::
        F_1 = \frac{2 K}{2 K + W + L} .

    Args:
        pos_pred: predicted positions in Å, those below the cut, too, as far as they are known.
        pos_true: true positions in Å, likewise.
        z_min: height of the cut in Å.
        band: :math:`\delta` in Å.
        cutoff: largest distance of a pair in Å.
        xy_only: compare x and y alone.

    Shapes:
        pos_pred ``[N, 3]``, pos_true ``[M, 3]``; N and M may be 0.

    Raises:
        InputError: as :func:`match_atoms`, and for a band that is not 0 or more.
    """
    if not (math.isfinite(band) and band >= 0):
        raise InputError(f"band: expected 0 Å or more, got {band}")
    pred, true = (pos[pos[:, 2] >= z_min - cutoff] for pos in (pos_pred, pos_true))
    match = match_atoms(pred, true, cutoff, xy_only=xy_only)
    above = (pred[match.pred, 2] >= z_min) | (true[match.true, 2] >= z_min)
    matched = int(above.sum())
    wrong, missing = (
        int((pos[alone, 2] >= z_min + band).sum())
        for pos, alone in ((pred, match.extra), (true, match.missing))
    )
    return SurfaceMatch(matched, matched + wrong, matched + missing)
