"""All augmentations of a training sample, drawn and applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.transforms.base import (
    Drawn,
    FrameTransform,
    RandomFrameTransform,
    RandomStackTransform,
    StackTransform,
    Transform,
)
from torch_afm.transforms.crop_slices import CropSlices
from torch_afm.transforms.crop_window import CropWindow
from torch_afm.transforms.cutout import CutOut, RandomCutout
from torch_afm.transforms.noise import AddNoise, RandomNoise
from torch_afm.transforms.normalize import NormalizeSlices
from torch_afm.transforms.plane import AddPlane
from torch_afm.transforms.slice_shift import RandomSliceShift, ShiftSlices
from torch_afm.transforms.turn import Turn
from torch_afm.utils import InputError

#: Names of transforms in the order they are applied in, each with what was drawn for it.
Steps = list[tuple[str, Drawn]]

T = TypeVar("T", bound=Transform)

_STACK: dict[str, type[StackTransform]] = {c.__name__: c for c in (AddNoise, AddPlane, CutOut, ShiftSlices)}
_FRAME: dict[str, type[FrameTransform]] = {c.__name__: c for c in (CropSlices, CropWindow, Turn)}


class Augment:
    """Which augmentations a training sample gets, in which order: changes of the frame, normalisation,
    changes of each stack. The defaults are the thesis' (section 2.3.2); the tip is drawn by
    :class:`~torch_afm.transforms.RandomTip` before.

    Args:
        frame: changes of both stacks and the graph together, drawn once a sample.
        stack: changes of the normalised stacks, drawn for each stack.
    """

    def __init__(
        self,
        frame: Sequence[RandomFrameTransform] = (),
        stack: Sequence[RandomStackTransform] = (RandomNoise(), RandomSliceShift(), RandomCutout()),
    ) -> None:
        self.frame = tuple(frame)
        self.stack = tuple(stack)

    def scan(self, scan: Scan) -> Scan:
        """The scan of finished stacks, from that of the rendered ones. Errors as in
        :meth:`~torch_afm.transforms.base.FrameTransform.scan`."""
        for transform in self.frame:
            scan = transform.scan(scan)
        return scan

    def draw_frame(self, scan: Scan, pos: np.ndarray, rng: np.random.Generator) -> Steps:
        """Changes of the frame for one sample, rendered with ``scan``, with visible atoms at ``pos`` Å."""
        steps: Steps = []
        for transform in self.frame:
            steps.append((transform.applies.__name__, transform.draw(scan, pos, rng)))
            step = transform.applies.of([steps[-1][1]])
            # The next one is drawn for what this one leaves.
            moved = AFMData(pos=torch.from_numpy(pos))
            step.graph([moved], scan)
            pos, scan = moved.pos.numpy(), step.scan(scan)
        return steps

    def draw_stack(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Steps:
        """Changes for one finished stack of ``shape`` (Z, Y, X)."""
        return [(transform.applies.__name__, transform.draw(shape, rng)) for transform in self.stack]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(frame={list(self.frame)}, stack={list(self.stack)})"


def change_stacks(stack: Tensor, frame: Sequence[Steps], stacks: Sequence[Steps]) -> Tensor:
    """Finish raw stacks: apply ``frame``, normalise, apply ``stacks``, each with steps for every stack.

    Shapes:
        stack ``[B, C, Z, Y, X]`` Hz, result ``[B, C, Z', Y', X']``.

    Raises:
        InputError: for an unknown transform, and for stacks of one batch that got different ones.
    """
    for change in _batched(_FRAME, frame):
        stack = change.stack(stack)
    stack = NormalizeSlices()(stack)
    for augmentation in _batched(_STACK, stacks):
        stack = augmentation(stack)
    return stack


def change_graphs(samples: Sequence[AFMData], scan: Scan, frame: Sequence[Steps]) -> None:
    """Bring the samples' graphs, in place, from the frame of ``scan`` into that of their stacks after
    ``frame``. Errors as in :func:`change_stacks`."""
    for change in _batched(_FRAME, frame):
        change.graph(samples, scan)
        scan = change.scan(scan)


def _batched(known: Mapping[str, type[T]], drawn: Sequence[Steps]) -> Iterator[T]:
    """The transforms of a batch, one after the other."""
    names = [[name for name, _ in steps] for steps in drawn]
    if any(row != names[0] for row in names) or any(name not in known for name in names[0]):
        wrong = next(row for row in names if row != names[0] or not known.keys() >= set(row))
        raise InputError(f"drawn: expected the same of {', '.join(known)} for a whole batch, got {wrong}")
    for i, name in enumerate(names[0]):
        yield known[name].of([steps[i][1] for steps in drawn])
