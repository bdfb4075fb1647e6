"""What an augmentation is: *RandomX draws, X applies*, and what was drawn is kept, so that any sample
replays.

Augmentations apply one rounded operation at a time (products and sums apart, never fused), so that a sample
has the same bits whatever batch it is in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.utils import InputError

#: What was drawn for one sample: the arguments of the transform, as JSON has them.
Drawn = dict[str, Any]


class Transform:
    """A deterministic change of a batch, whose arguments are lists with one entry a sample."""

    @classmethod
    def of(cls, drawn: Sequence[Mapping[str, Any]]) -> Self:
        """The transform of a batch, from what was drawn for each of its samples."""
        return cls(**{key: [one[key] for one in drawn] for key in drawn[0]})

    @staticmethod
    def check(stack: Tensor, parameters: Sequence[Any]) -> None:
        """Raise :class:`InputError` unless ``stack`` is a batch with one of ``parameters`` a sample."""
        if stack.ndim != 5 or len(stack) != len(parameters):
            raise InputError(
                f"stack: expected [B, C, Z, Y, X] with B = {len(parameters)} as drawn, "
                f"got {tuple(stack.shape)}"
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class StackTransform(Transform, ABC):
    """Changes stacks ``[B, C, Z, Y, X]``, on their device; the stacks passed in stay as they are."""

    @abstractmethod
    def __call__(self, stack: Tensor) -> Tensor: ...


class FrameTransform(Transform, ABC):
    """Changes where a stack was taken: the stack, the graph in its frame, and the scan together."""

    @abstractmethod
    def stack(self, stack: Tensor) -> Tensor:
        """The stacks ``[B, C, Z, Y, X]`` in the new frame."""

    @abstractmethod
    def graph(self, samples: Sequence[AFMData], scan: Scan) -> None:
        """Bring the samples' ``pos``, ``missing_pos`` and ``z_top``, as far as they have them, into the new
        frame; ``scan`` is the old one."""

    @abstractmethod
    def scan(self, scan: Scan) -> Scan:
        """The scan in the new frame.

        Raises:
            InputError: for a scan that cannot be changed in this way.
        """


class RandomStackTransform(ABC):
    """Draws the parameters of a :class:`StackTransform`."""

    applies: ClassVar[type[StackTransform]]

    @abstractmethod
    def draw(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Drawn:
        """Parameters for one stack of ``shape`` (Z, Y, X)."""

    def __call__(self, stack: Tensor, rngs: Sequence[np.random.Generator]) -> tuple[Tensor, list[Drawn]]:
        """The stacks changed, and what was drawn, with one generator a sample."""
        n, height, width = stack.shape[2:]
        drawn = [self.draw((n, height, width), rng) for rng in rngs]
        return self.applies.of(drawn)(stack), drawn


class RandomFrameTransform(ABC):
    """Draws the parameters of a :class:`FrameTransform`."""

    applies: ClassVar[type[FrameTransform]]

    @abstractmethod
    def draw(self, scan: Scan, pos: np.ndarray, rng: np.random.Generator) -> Drawn:
        """Parameters for one sample with visible atoms at ``pos`` ``[N, 3]``, in Å."""

    def scan(self, scan: Scan) -> Scan:
        """The scan of the result, which is the same whatever is drawn, so that samples collate. Errors as in
        :meth:`FrameTransform.scan`."""
        drawn = self.draw(scan, np.zeros((1, 3)), np.random.default_rng(0))
        return self.applies.of([drawn]).scan(scan)


def per_sample(values: Sequence[float], stack: Tensor) -> Tensor:
    """``values`` as ``[B, 1, 1, 1, 1]``, on the device and in the precision of ``stack``."""
    return stack.new_tensor(np.asarray(values)).reshape(-1, 1, 1, 1, 1)


def slice_range(stack: Tensor) -> Tensor:
    """Largest less smallest value of each slice, ``[B, C, Z, 1, 1]``."""
    return stack.amax((-2, -1), keepdim=True) - stack.amin((-2, -1), keepdim=True)
