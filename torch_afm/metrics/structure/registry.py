"""The structure features there are, one registration each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from torch_afm.elements import atomic_number
from torch_afm.utils import InputError

F = TypeVar("F", bound=Callable[..., np.ndarray])

Range = tuple[float, float]


@dataclass(frozen=True)
class Feature:
    """One feature: a number, or a pair of numbers for a joint one.

    Args:
        name: what results call it.
        title: what it is.
        labels: axis label of each number.
        units: unit of each number, empty for none.
        ranges: low and high value of each number that normalization maps to 0 and 1.
        compute: of a :class:`torch_afm.metrics.structure.prepared.Prepared` structure all values, ``[N]`` or
            ``[N, 2]``.
    """

    name: str
    title: str
    labels: tuple[str, ...]
    units: tuple[str, ...]
    ranges: tuple[Range, ...]
    compute: Callable[..., np.ndarray]

    def normalize(self, values: np.ndarray) -> np.ndarray:
        """Values on the fixed ranges, ``(x - low) / (high - low)``; not clipped.

        Shapes:
            values ``[N]`` for a number, ``[N, 2]`` for a pair -> the same.
        """
        low, high = np.array(self.ranges).T
        if len(low) == 1:
            low, high = low[0], high[0]
        return (values - low) / (high - low)


class Features(dict[str, Feature]):
    """Features by name. Those that name their elements, ``pair:A-B`` for one, are made when asked for."""

    def __init__(self) -> None:
        super().__init__()
        #: Features of elements by the name without these.
        self.families: dict[str, tuple[int, Feature]] = {}

    @property
    def names(self) -> list[str]:
        """Of all features, also of those that name their elements."""
        elements = "ABCDEF"
        return [*self, *(f"{name}:{'-'.join(elements[:n])}" for name, (n, _) in self.families.items())]

    def __missing__(self, name: str) -> Feature:
        family, _, rest = str(name).partition(":")
        symbols = rest.split("-")
        if family not in self.families or len(symbols) != self.families[family][0]:
            raise InputError(f"names: expected features out of {', '.join(self.names)}, got {name!r}")
        elements = [atomic_number(s) for s in symbols]
        made = self.families[family][1]
        return Feature(
            name,
            f"{made.title} {rest}",
            tuple(label.format(rest) for label in made.labels),
            made.units,
            made.ranges,
            lambda structure: made.compute(structure, elements),
        )


#: Every feature by name, in the order of tables.
FEATURES = Features()


def feature(
    name: str,
    title: str,
    *,
    units: tuple[str, ...] = ("",),
    ranges: tuple[Range, ...] = ((0.0, 1.0),),
    labels: tuple[str, ...] | None = None,
) -> Callable[[F], F]:
    """Register a function of a structure as a feature, which :func:`structure_features`, distances, pictures
    and the command line then have:

    .. code-block:: python

        @feature("height", "height above the topmost gold", units=("Å",), ranges=((0.0, 10.0),))
        def heights(s):
            return s.pos[s.centers, 2] - s.ground

    Args:
        name: what results call it. One like ``"bond:A-B"`` stands for a feature of every two (three, ...)
            elements; its function takes their atomic numbers, too, and ``{}`` in a label stands for them.
        title: what it is, without the elements.
        units: unit of each number, empty for none.
        ranges: low and high value of each number that normalization maps to 0 and 1.
        labels: axis label of each number; default the name.

    Raises:
        InputError: for a name that is taken.
    """

    def register(function: F) -> F:
        family, _, elements = name.partition(":")
        made = Feature(name, title, labels or (name,), units, ranges, function)
        if family in FEATURES or family in FEATURES.families:
            raise InputError(f"name: expected one that is free, got {name!r}, which is a feature")
        if elements:
            FEATURES.families[family] = len(elements.split("-")), made
        else:
            FEATURES[name] = made
        return function

    return register
