"""The distances there are, one registration each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from torch_afm.metrics.distributions.samples import Sample
from torch_afm.utils import InputError

F = TypeVar("F", bound=Callable[..., float])

#: Distances for each draw of structures: of two samples and ``[B, S]`` and ``[B, T]`` counts, ``[B]``.
Draws = Callable[..., np.ndarray]


@dataclass(frozen=True)
class Distance:
    """How :func:`torch_afm.metrics.compare` takes one distance.

    Args:
        name: what results call it.
        function: of two sets of values, ``[N, D]`` and ``[M, D]``, to a number.
        draws: the same for each draw of structures, see :data:`Draws`.
        power: of a unit of length that it scales with.
        default: whether it is computed unless others are named.
        on_line: whether it is taken on a line, too, or in more dimensions only.
        raw: whether it is taken of values as measured, or of normalized ones only.
        seeded: whether ``draws`` takes a ``seed``.
    """

    name: str
    function: Callable[..., float]
    draws: Draws
    power: int = 1
    default: bool = True
    on_line: bool = True
    raw: bool = True
    seeded: bool = False


#: Every distance by name, in the order of tables.
DISTANCES: dict[str, Distance] = {}


def distance(name: str, draws: Draws | None = None, **options: Any) -> Callable[[F], F]:
    """Register a function of two sets of values, which :func:`torch_afm.metrics.compare` then takes, too:

    .. code-block:: python

        @distance("means")
        def distance_of_means(x, y):
            return float(np.linalg.norm(x.mean(axis=0) - y.mean(axis=0)))

    Args:
        name: what results call it.
        draws: the function for many draws of structures at once, for one that has a faster way than to be
            called with the values of each.
        **options: the other arguments of :class:`Distance`.

    Raises:
        InputError: for a name that is taken.
    """

    def register(function: F) -> F:
        if name in DISTANCES:
            raise InputError(f"name: expected one that is free, got {name!r}, which is a distance")
        DISTANCES[name] = Distance(name, function, draws or _one_by_one(function), **options)
        return function

    return register


def _one_by_one(function: Callable[..., float]) -> Draws:
    def draws(x: Sample, y: Sample, x_counts: np.ndarray, y_counts: np.ndarray) -> np.ndarray:
        found = np.full(len(x_counts), np.nan)
        for i, counts in enumerate(zip(x_counts, y_counts, strict=True)):
            drawn = [
                np.repeat(side.values, count[side.structure].astype(int), axis=0)
                for side, count in zip((x, y), counts, strict=True)
            ]
            if all(len(values) for values in drawn):
                found[i] = function(*drawn)
        return found

    return draws
