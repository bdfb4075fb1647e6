"""Scores of whole predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from torch_afm.data import AFMData
from torch_afm.metrics.bootstrap import bootstrap
from torch_afm.metrics.matching import match_atoms
from torch_afm.utils import check_shape

#: Distances in Å within which an atom is found.
CUTOFFS = (0.35, 0.5, 1.0)

#: Fewest and most visible atoms of the groups that scores are told of.
SIZES = {"1 to 3": (1, 3), "4 to 6": (4, 6), "7 to 10": (7, 10), "over 10": (11, 10**9)}


class MoleculeMetrics:
    r"""Scores of generated molecules against the visible atoms of the true ones, matched one to one and blind
    to elements (:func:`match_atoms`), all together and by number of visible atoms. Shares are of the atoms of
    all molecules (micro-averages):

    .. math::
        P = \frac{\sum_m K_m}{\sum_m N_m}, \qquad R = \frac{\sum_m K_m}{\sum_m M_m}, \qquad
        F_1 = \frac{2 \sum_m K_m}{\sum_m (N_m + M_m)}

    with :math:`N_m` predicted, :math:`M_m` true atoms and :math:`K_m` matched pairs of molecule :math:`m`.
    """

    def __init__(self) -> None:
        self._counts: list[list[int]] = []
        self._ended: list[str] = []

    def update(self, graph: AFMData, truth: AFMData, ended: str) -> None:
        """Count one molecule.

        Args:
            graph: what was generated.
            truth: the visible atoms, in the same frame.
            ended: how the generation ended, see :class:`torch_afm.generation.Generation`.
        """
        matched = [match_atoms(graph.pos, truth.pos, cutoff).pred.numel() for cutoff in CUTOFFS]
        self._counts.append([graph.z.numel(), truth.z.numel(), *matched])
        self._ended.append(ended)

    def rows(self) -> dict[str, np.ndarray]:
        """What was kept of every molecule: ``counts`` of its predicted, its true and, for each cutoff, its
        matched atoms, ``[M, 2 + 3]``, and how it ``ended``, ``[M]``."""
        return {"counts": self._table(), "ended": np.array(self._ended, dtype=np.str_)}

    @classmethod
    def from_rows(cls, rows: Mapping[str, np.ndarray]) -> MoleculeMetrics:
        """Metrics of molecules that :meth:`rows` told."""
        metrics = cls()
        check_shape("counts", rows["counts"], (len(rows["ended"]), 2 + len(CUTOFFS)))
        metrics._counts, metrics._ended = rows["counts"].tolist(), rows["ended"].tolist()
        return metrics

    def f1(self) -> np.ndarray:
        """F1 of each molecule, a column a cutoff of :data:`CUTOFFS`, ``[M, 3]``; 1 where both graphs are
        empty."""
        counts = self._table()
        total = counts[:, 0] + counts[:, 1]
        return np.where(total > 0, 2 * counts[:, 2:].T, 1).T / np.maximum(total, 1)[:, None]

    def compute(self) -> dict[str, Any]:
        """Everything so far as plain numbers, ready for JSON; what no molecule defines is ``None``.

        Returns:
            for ``all`` and each group of :data:`SIZES` with molecules in it: ``molecules``; ``atoms``
            (predicted in the mean); ``count_error`` (predicted less true, absolute, in the mean);
            ``precision``, ``recall``, ``f1`` by cutoff; ``ended``, counts.
        """
        counts = self._table()
        return {name: self._score(counts[group], group) for name, group in self._groups(counts)}

    def intervals(self, n: int = 1000, level: float = 0.95, seed: int = 0) -> dict[str, Any]:
        """Bootstrap intervals ``[low, high]`` of the scores of :meth:`compute`, over the molecules of each
        group."""
        counts = self._table()
        found = {}
        for name, group in self._groups(counts):
            rows = counts[group]
            found[name] = bootstrap(partial(_resampled, rows), np.arange(len(rows)), n, level, seed)
        return found

    def _table(self) -> np.ndarray:
        return np.array(self._counts, dtype=int).reshape(-1, 2 + len(CUTOFFS))

    def _groups(self, counts: np.ndarray) -> list[tuple[str, np.ndarray]]:
        groups = {
            name: np.flatnonzero((counts[:, 1] >= low) & (counts[:, 1] <= high))
            for name, (low, high) in SIZES.items()
        }
        return [("all", np.arange(len(counts))), *((k, v) for k, v in groups.items() if len(v))]

    def _score(self, counts: np.ndarray, group: np.ndarray) -> dict[str, Any]:
        ended = Counter(self._ended[i] for i in group)
        return {"molecules": len(group), **_shares(counts), "ended": dict(sorted(ended.items()))}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._counts)} molecules)"


def _resampled(counts: np.ndarray, index: np.ndarray) -> dict[str, Any]:
    return _shares(counts[index])


def _shares(counts: np.ndarray) -> dict[str, Any]:
    predicted, true, *matched = counts.sum(axis=0).tolist()
    share = {"precision": predicted, "recall": true, "f1": (predicted + true) / 2}
    return {
        "atoms": predicted / len(counts) if len(counts) else None,
        "count_error": float(np.abs(counts[:, 0] - counts[:, 1]).mean()) if len(counts) else None,
        **{
            name: {str(c): k / whole if whole else None for c, k in zip(CUTOFFS, matched, strict=True)}
            for name, whole in share.items()
        },
    }
