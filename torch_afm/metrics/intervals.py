"""How far a score would move with other test molecules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from torch_afm.utils import InputError


def bootstrap(
    statistic: Callable[[np.ndarray], Any],
    molecule: np.ndarray,
    n: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Any:
    r"""Percentile bootstrap intervals over molecules (Efron, Ann. Stat. 7, 1 (1979)): as many molecules as
    there are, drawn with replacement, each with all its rows, ``n`` times. Rows of one molecule (its
    rotations and mutants) are no independent draws, so resampling them would give intervals too narrow.

    Args:
        statistic: turns indices of rows into a number, or dicts and lists of numbers, in one layout whatever
            the rows; ``None`` where the rows define none.
        molecule: molecule of each row.
        n: resamples.
        level: share of the resamples inside the interval.
        seed: of the resampling.

    Returns:
        ``[low, high]`` in place of each number, over the resamples that define it; ``None`` if none does.

    Shapes:
        molecule ``[S]``.

    Raises:
        InputError: for less than one resample, or a level that is no share.
    """
    if n < 1 or not 0 < level < 1:
        raise InputError(f"n, level: expected 1 or more and a share inside (0, 1), got {n} and {level}")
    order = np.argsort(molecule, kind="stable")
    _, start, count = np.unique(np.asarray(molecule)[order], return_index=True, return_counts=True)
    layout = statistic(np.arange(len(order)))
    values = np.empty((n, len(list(_leaves(layout)))))
    rng = np.random.default_rng(seed)
    for row in values:
        drawn = rng.integers(len(start), size=len(start)) if len(start) else np.empty(0, dtype=int)
        sizes = count[drawn]
        # Rows start, start + 1, ... of each molecule drawn, without a loop.
        within = np.arange(sizes.sum()) - np.repeat(sizes.cumsum() - sizes, sizes)
        row[:] = list(_leaves(statistic(order[np.repeat(start[drawn], sizes) + within])))
    tails = 50 * (1 - level), 50 * (1 + level)
    ends = [
        np.percentile(v, tails).tolist() if len(v := column[~np.isnan(column)]) else None
        for column in values.T
    ]
    return _filled(layout, iter(ends))


def _leaves(layout: Any) -> Iterator[float]:
    if isinstance(layout, dict | list):
        for part in layout.values() if isinstance(layout, dict) else layout:
            yield from _leaves(part)
    else:
        yield np.nan if layout is None else layout


def _filled(layout: Any, values: Iterator[Any]) -> Any:
    if isinstance(layout, dict):
        return {name: _filled(part, values) for name, part in layout.items()}
    return [_filled(part, values) for part in layout] if isinstance(layout, list) else next(values)
