"""Base classes of augmentations.

An augmentation is one class. Its instances hold the distribution of its parameters and draw from it; the
static methods change a batch by what was drawn. What was drawn is a record that JSON can hold, so that any
sample replays.

Augmentations apply one rounded operation at a time (products and sums separately, never fused), so that a
sample has the same bits whatever batch it is in.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.utils import InputError

#: What was drawn for one sample: the parameters of an augmentation by name, as JSON has them.
Drawn = dict[str, Any]

#: Names of augmentations in the order they are applied in, each with what was drawn for it.
Steps = list[tuple[str, Drawn]]


class Augmentation:
    """What :class:`StackAugmentation` and :class:`FrameAugmentation` share: a registry by name, with which
    records are replayed. A subclass registers itself under the name of its class.

    ``class Noise(StackAugmentation, recorded_as="AddNoise")`` also replays records in which it has that name.

    Raises:
        TypeError: for a subclass with the name of another one, and one whose methods that replay a record
            are not static.
    """

    #: Methods that are called with what was drawn alone.
    _replays: ClassVar[tuple[str, ...]] = ("apply",)
    _registry: ClassVar[dict[str, type[Augmentation]]] = {}

    def __init_subclass__(cls, recorded_as: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if ABC in cls.__bases__:
            return
        for method in cls._replays:
            if not isinstance(inspect.getattr_static(cls, method), staticmethod | classmethod):
                raise TypeError(f"{cls.__name__}.{method}: expected a static method, got one of instances")
        for name in (cls.__name__, recorded_as or cls.__name__):
            known = cls._registry.get(name, cls)
            # A cell of a notebook that is run again defines the same class.
            if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
                raise TypeError(
                    f"{name}: expected a new name, got that of {known.__module__}.{known.__name__}"
                )
            cls._registry[name] = cls

    @classmethod
    def named(cls, name: str) -> type[Self]:
        """The subclass that records call ``name``.

        Raises:
            InputError: where there is none.
        """
        found = cls._registry.get(name)
        if found is None or not issubclass(found, cls):
            known = sorted(one.__name__ for one in set(cls._registry.values()) if issubclass(one, cls))
            raise InputError(
                f"drawn: expected names of {', '.join(known)}, or of a class whose module is imported, "
                f"got {name!r}"
            )
        return found

    @classmethod
    def from_steps(cls, drawn: Sequence[Steps]) -> list[type[Self]]:
        """The augmentations of a batch, which are the same for all its samples, from the steps of each.

        Raises:
            InputError: for an unknown one, and where they are not the same.
        """
        if not drawn:
            return []
        classes = [[cls.named(name) for name, _ in steps] for steps in drawn]
        for row, steps in zip(classes, drawn, strict=True):
            if row != classes[0]:
                raise InputError(
                    f"drawn: expected the same augmentations for a whole batch, got "
                    f"{[name for name, _ in drawn[0]]} and {[name for name, _ in steps]}"
                )
        return classes[0]

    def __repr__(self) -> str:
        settings = (f"{key}={value!r}" for key, value in vars(self).items() if not key.startswith("_"))
        return f"{type(self).__name__}({', '.join(settings)})"


class StackAugmentation(Augmentation, ABC):
    """Changes normalized stacks, each by parameters drawn for it."""

    @abstractmethod
    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        """Parameters for one stack of ``shape`` (Z, Y, X)."""

    @staticmethod
    @abstractmethod
    def apply(stack: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Stacks ``[B, C, Z, Y, X]`` changed, on their device; those passed in stay as they are. Each
        parameter is a list with one entry a sample."""


class FrameAugmentation(Augmentation, ABC):
    """Changes where stacks were taken: the stacks, the graphs in their frame, and the scan together. Each
    parameter of the static methods is a list with one entry a sample."""

    _replays: ClassVar[tuple[str, ...]] = ("apply", "apply_to_graphs", "apply_to_scan")

    @abstractmethod
    def draw(self, scan: Scan, pos: np.ndarray, rng: np.random.Generator) -> Drawn:
        """Parameters for one sample with visible atoms at ``pos`` ``[N, 3]``, in Å."""

    @staticmethod
    @abstractmethod
    def apply(stack: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The stacks ``[B, C, Z, Y, X]`` in the new frame."""

    @staticmethod
    @abstractmethod
    def apply_to_graphs(samples: Sequence[AFMData], scan: Scan, *args: Any, **kwargs: Any) -> None:
        """Bring the samples' ``pos``, ``missing_pos`` and ``z_top``, as far as they have them, into the new
        frame; ``scan`` is the old one."""

    @staticmethod
    @abstractmethod
    def apply_to_scan(scan: Scan, *args: Any, **kwargs: Any) -> Scan:
        """The scan in the new frame.

        Raises:
            InputError: for a scan that cannot be changed in this way.
        """

    def scan(self, scan: Scan) -> Scan:
        """The scan of the result, which is the same whatever is drawn, so that samples collate. Errors as in
        :meth:`apply_to_scan`."""
        drawn = self.draw(scan, np.zeros((1, 3)), np.random.default_rng(0))
        return self.apply_to_scan(scan, **as_lists([drawn]))


def as_lists(drawn: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Parameters of a batch, as :meth:`StackAugmentation.apply` takes them, from what was drawn for each of
    its samples."""
    return {key: [one[key] for one in drawn] for key in drawn[0]}


def check_stacks(stack: Tensor, parameters: Sequence[Any]) -> None:
    """Raise :class:`InputError` unless ``stack`` is a batch with one of ``parameters`` a sample."""
    if stack.ndim != 5 or len(stack) != len(parameters):
        raise InputError(
            f"stack: expected [B, C, Z, Y, X] with B = {len(parameters)} as drawn, got {tuple(stack.shape)}"
        )


def per_sample(values: Sequence[float], stack: Tensor) -> Tensor:
    """``values`` as ``[B, 1, 1, 1, 1]``, on the device and in the precision of ``stack``."""
    return stack.new_tensor(np.asarray(values)).reshape(-1, 1, 1, 1, 1)


def add_scaled(stack: Tensor, added: Tensor, amplitude: Sequence[float]) -> Tensor:
    """``stack`` plus ``added`` times each sample's amplitude and the range of each slice: its largest value
    less its smallest.

    Shapes:
        stack ``[B, C, Z, Y, X]``, added such that it broadcasts, result as the stack.
    """
    span = stack.amax((-2, -1), keepdim=True) - stack.amin((-2, -1), keepdim=True)
    return added * (span * per_sample(amplitude, stack)) + stack


def draw_direction(rng: np.random.Generator, low: float, high: float) -> tuple[float, float]:
    """A length, uniform from ``low`` to ``high``, and an angle, uniform in radians."""
    return rng.uniform(low, high), rng.uniform(0.0, 2 * math.pi)


def draw_vector(rng: np.random.Generator, low: float, high: float) -> list[float]:
    """(x, y) of :func:`draw_direction`."""
    length, angle = draw_direction(rng, low, high)
    return [length * math.cos(angle), length * math.sin(angle)]
