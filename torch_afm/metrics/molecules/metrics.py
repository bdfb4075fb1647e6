"""Scores of whole predictions, all together and by size."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.metrics.intervals import bootstrap
from torch_afm.metrics.molecules.record import CUTOFFS, MoleculeRecord, score_molecule
from torch_afm.metrics.molecules.summary import Columns, summarize

#: Smallest and largest number of visible atoms of each group of predictions.
SIZES = {"1 to 3": (1, 3), "4 to 6": (4, 6), "7 to 10": (7, 10), "over 10": (11, 10**9)}


class MoleculeMetrics:
    r"""Scores of generated molecules against the visible atoms of the true ones, all together and by number
    of visible atoms. Shares are of the atoms of all molecules (micro-averages), with
    :math:`N_m` predicted and :math:`M_m` true atoms and :math:`K_m` pairs of molecule :math:`m`,

    .. math::
        P = \frac{\sum_m K_m}{\sum_m N_m}, \qquad R = \frac{\sum_m K_m}{\sum_m M_m}, \qquad
        F_1 = \frac{2 \sum_m K_m}{\sum_m (N_m + M_m)},

    or means over the molecules (``macro``). Pairs are one to one (:func:`match_atoms`): blind to elements
    where nothing else is said, of the same class (``aware``), by x and y alone (``lateral``), and the peers'
    (``nearest``, :func:`nearest_atoms`).

    Args:
        classes: the classes to distinguish.
    """

    def __init__(self, classes: AtomClasses | None = None) -> None:
        self.classes = classes or AtomClasses()
        self._records: list[MoleculeRecord] = []

    def update(self, graph: AFMData, truth: AFMData, ended: str, **known: Any) -> None:
        """Count one prediction.

        Args:
            graph: what was generated.
            truth: the visible atoms, in the same frame.
            ended: how the generation ended, see :class:`torch_afm.generation.Generation`.
            **known: whatever else is known of it, see :func:`torch_afm.metrics.molecules.score_molecule`.
        """
        self.add(score_molecule(graph, truth, ended, self.classes, **known))

    def add(self, record: MoleculeRecord) -> None:
        """Count a prediction that :func:`torch_afm.metrics.molecules.score_molecule` scored."""
        self._records.append(record)

    @property
    def records(self) -> Sequence[MoleculeRecord]:
        """What is known of each prediction, see :func:`torch_afm.metrics.molecules.score_molecule`."""
        return tuple(self._records)

    def rows(self) -> dict[str, np.ndarray]:
        """The records as an array ``[M]`` of JSON, for ``numpy.savez``."""
        return {
            "records": np.array([json.dumps(record.to_dict()) for record in self._records], dtype=np.str_)
        }

    @classmethod
    def from_rows(cls, rows: Mapping[str, np.ndarray], classes: AtomClasses | None = None) -> MoleculeMetrics:
        """Metrics of what :meth:`rows` returned."""
        metrics = cls(classes)
        metrics._records = [MoleculeRecord.from_dict(json.loads(str(text))) for text in rows["records"]]
        return metrics

    def sizes(self) -> np.ndarray:
        """Number of visible atoms of each molecule, ``[M]``."""
        return np.array([record.atoms[1] for record in self._records], dtype=int)

    def f1(self) -> np.ndarray:
        """F1 of each molecule, a column a cutoff of :data:`CUTOFFS`, ``[M, 3]``; 1 where both graphs are
        empty."""
        return np.array([record.f1 for record in self._records]).reshape(-1, len(CUTOFFS))

    def compute(self) -> dict[str, Any]:
        """Everything so far as plain numbers, ready for JSON; what no molecule defines is ``None``.

        Returns:
            for ``all`` and each group of :data:`SIZES` with molecules in it: what
            :func:`torch_afm.metrics.molecules.summary.summarize` returns; ``predictions`` and ``molecules``,
            numbers; ``ended``, counts; ``class``, the confusion of classes, rows true with a last row
            ``extra``, columns predicted with a last column ``missing``: ``names``, ``count``, ``fraction`` of
            the row.
        """
        columns = Columns(self._records)
        return {
            name: {
                "predictions": len(group),
                "molecules": len({*columns.molecule[group].tolist()}),
                **summarize(columns, group),
                "ended": dict(sorted(Counter(self._records[i].ended for i in group).items())),
                "class": self._confusion(self._records[i].classes for i in group),
            }
            for name, group in self._groups()
        }

    def intervals(self, n: int = 1000, level: float = 0.95, seed: int = 0) -> dict[str, Any]:
        """Bootstrap intervals ``[low, high]`` of the numbers that
        :func:`torch_afm.metrics.molecules.summary.summarize` returns of each group, over molecules with all
        their predictions (:func:`torch_afm.metrics.intervals.bootstrap`)."""
        found = {}
        for name, group in self._groups():
            columns = Columns([self._records[i] for i in group])
            found[name] = bootstrap(partial(summarize, columns), columns.molecule, n, level, seed)
        return found

    def _groups(self) -> list[tuple[str, np.ndarray]]:
        sizes = self.sizes()
        groups = {
            name: np.flatnonzero((sizes >= low) & (sizes <= high)) for name, (low, high) in SIZES.items()
        }
        return [("all", np.arange(len(sizes))), *((k, v) for k, v in groups.items() if len(v))]

    def _confusion(self, cells: Iterable[list[list[int]]]) -> dict[str, Any]:
        names = self.classes.names[1:]
        count = np.zeros((len(names) + 1, len(names) + 1), dtype=int)
        for row, column in (pair for pairs in cells for pair in pairs):
            count[row, column] += 1
        fraction = [[n / sum(row) if sum(row) else None for n in row] for row in count.tolist()]
        return {
            "names": [*names, "extra"],
            "columns": [*names, "missing"],
            "count": count.tolist(),
            "fraction": fraction,
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self._records)} molecules)"
