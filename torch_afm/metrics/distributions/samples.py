"""Values of a feature, structure by structure: what every distance compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from torch_afm.utils import InputError, check_finite


@dataclass(frozen=True)
class Sample:
    """Values and the structure that each was measured on. The structures are the units of resampling: values
    of one structure are no independent draws.

    Args:
        values: one row a value.
        structure: structure of each row, from 0.
        n_structures: how many structures there are, those without a value included.

    Shapes:
        values ``[N, D]``, structure ``[N]``.
    """

    values: np.ndarray
    structure: np.ndarray
    n_structures: int

    @classmethod
    def from_parts(cls, name: str, parts: Sequence[np.ndarray]) -> Sample:
        """Values of each structure, checked, as one sample.

        Args:
            name: what messages call them.
            parts: values of each structure, ``[N]`` or ``[N, D]``.

        Raises:
            InputError: for a NaN or an infinity, other shapes, or different ``D``.
        """
        rows = [as_rows(name, part) for part in parts]
        widths = {row.shape[1] for row in rows}
        if len(widths) > 1:
            raise InputError(f"{name}: expected values of one dimension, got {sorted(widths)}")
        structure = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
        return cls(np.concatenate(rows) if rows else np.empty((0, 1)), structure, len(rows))

    @property
    def dimension(self) -> int:
        """``D``."""
        return self.values.shape[1]

    def __len__(self) -> int:
        return len(self.values)

    def replace(self, values: np.ndarray) -> Sample:
        """Other values of the same structures."""
        return Sample(values, self.structure, self.n_structures)

    def take(self, rows: np.ndarray) -> Sample:
        """Some of the values, in the order given."""
        return Sample(self.values[rows], self.structure[rows], self.n_structures)

    def part(self, structures: np.ndarray) -> Sample:
        """The values of some structures, renumbered."""
        number = np.full(self.n_structures, -1)
        number[structures] = np.arange(len(structures))
        rows = np.flatnonzero(number[self.structure] >= 0)
        return Sample(self.values[rows], number[self.structure[rows]], len(structures))

    def masses(self, counts: np.ndarray) -> np.ndarray:
        """Mass of each structure's every value where structure ``s`` is drawn ``counts[b, s]`` times: the
        values of each draw ``b`` weigh 1 together; NaN in a draw without a value.

        Shapes:
            counts ``[B, S]``, returns ``[B, S]``.
        """
        totals = counts @ np.bincount(self.structure, minlength=self.n_structures)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(totals[:, None] > 0, counts / totals[:, None], np.nan)


def as_rows(name: str, values: np.ndarray) -> np.ndarray:
    """``[N]`` or ``[N, D]`` as float64 ``[N, D]``.

    Raises:
        InputError: for a NaN or an infinity, values that are no numbers, or another shape.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name}: expected numbers, got {type(values).__name__}") from None
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] == 0):
        raise InputError(f"{name}: expected shape [N] or [N, D], got {list(array.shape)}")
    check_finite(name, array)
    return array[:, None] if array.ndim == 1 else array


def pair(x: np.ndarray, y: np.ndarray) -> tuple[Sample, Sample]:
    """Two sets of values, checked, each as a sample of one structure.

    Raises:
        InputError: as :func:`as_rows`, for an empty set, or for different dimensions.
    """
    samples = Sample.from_parts("x", [x]), Sample.from_parts("y", [y])
    for name, sample in zip("xy", samples, strict=True):
        if len(sample) == 0:
            raise InputError(f"{name}: expected at least one value, got none")
    if samples[0].dimension != samples[1].dimension:
        raise InputError(f"y: expected dimension {samples[0].dimension} as x, got {samples[1].dimension}")
    return samples


#: Each structure once: the sample itself.
ONCE = np.ones((1, 1))


#: Numbers held at once, per array: few enough for the cache, four times faster so than from memory.
_CHUNK = 100_000


def cdf_distance(x: Sample, y: Sample, x_counts: np.ndarray, y_counts: np.ndarray, power: int) -> np.ndarray:
    r""":math:`\int |F_x(t) - F_y(t)|^p \,dt` for each draw of structures: the Wasserstein distance for
    :math:`p = 1`, half the energy distance for :math:`p = 2` (Székely, Rizzo, J. Stat. Plan. Inference 143,
    1249 (2013)).

    Args:
        x: values on a line.
        y: values on a line.
        x_counts: how often each draw has each structure of ``x``.
        y_counts: the same for ``y``.
        power: :math:`p`, 1 or 2.

    Shapes:
        x_counts ``[B, S]``, y_counts ``[B, T]``, returns ``[B]``; NaN in a draw without a value.
    """
    values = np.concatenate([x.values[:, 0], y.values[:, 0]])
    order = np.argsort(values, kind="stable")
    gaps = np.diff(values[order])
    owner = np.concatenate([x.structure, y.structure + x.n_structures])[order[:-1]]
    masses = np.concatenate([x.masses(x_counts), -y.masses(y_counts)], axis=1)
    found = np.empty(len(masses))
    step = max(1, _CHUNK // max(1, len(values)))
    for start in range(0, len(masses), step):
        gap = np.cumsum(masses[start : start + step, owner], axis=1)
        found[start : start + step] = (np.abs(gap, out=gap) if power == 1 else np.square(gap, out=gap)) @ gaps
    # A draw without a value is one wherever its structures stand.
    found[np.isnan(masses).any(axis=1)] = np.nan
    return found
