"""All augmentations of a training sample, drawn and applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
from torch_afm.transforms.creep import Creep
from torch_afm.transforms.crop_slices import CropSlices
from torch_afm.transforms.crop_window import CropWindow
from torch_afm.transforms.cutout import CutOut, RandomCutout
from torch_afm.transforms.double_tip import DoubleTip
from torch_afm.transforms.drift import Drift
from torch_afm.transforms.noise import AddNoise, RandomNoise
from torch_afm.transforms.normalize import NormalizeSlices
from torch_afm.transforms.plane import AddPlane
from torch_afm.transforms.row_offsets import AddRowOffsets
from torch_afm.transforms.slice_shift import RandomSliceShift, ShiftSlices
from torch_afm.transforms.style import StyleTranslate
from torch_afm.transforms.tip_asymmetry import TipAsymmetry
from torch_afm.transforms.turn import Turn
from torch_afm.utils import InputError

#: Names of transforms in the order they are applied in, each with what was drawn for it.
Steps = list[tuple[str, Drawn]]

#: Numbers in the stacks that are changed at a time on a CPU, so that they stay in its cache.
_CACHED = 2**19

_CHANGES: tuple[type[StackTransform], ...] = (
    AddNoise,
    AddPlane,
    AddRowOffsets,
    Creep,
    CutOut,
    DoubleTip,
    Drift,
    ShiftSlices,
    StyleTranslate,
    TipAsymmetry,
)
_STACK = {change.__name__: change for change in _CHANGES}
_FRAME: dict[str, type[FrameTransform]] = {c.__name__: c for c in (CropSlices, CropWindow, Turn)}


class Augment:
    """Which augmentations a training sample gets, in which order: changes of the frame, normalisation,
    changes of each stack. The defaults are the thesis' (section 2.3.2); the tip is drawn by
    :class:`~torch_afm.transforms.RandomTip` before.

    Args:
        frame: changes of both stacks and the graph together, drawn once a sample.
        stack: changes of the normalised stacks, drawn for each stack.
        share: share of the stacks that get these changes; the others stay as they are rendered.
    """

    def __init__(
        self,
        frame: Sequence[RandomFrameTransform] = (),
        stack: Sequence[RandomStackTransform] = (RandomNoise(), RandomSliceShift(), RandomCutout()),
        share: float = 1.0,
    ) -> None:
        if not 0 <= share <= 1:
            raise InputError(f"share: expected a share, got {share}")
        self.frame = tuple(frame)
        self.stack = tuple(stack)
        self.share = share

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
        """Changes for one finished stack of ``shape`` (Z, Y, X); none, if that is drawn."""
        if self.share < 1 and rng.uniform() >= self.share:
            return []
        return [(transform.applies.__name__, transform.draw(shape, rng)) for transform in self.stack]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(frame={list(self.frame)}, stack={list(self.stack)}, share={self.share})"
        )


def change_stacks(stack: Tensor, frame: Sequence[Steps], stacks: Sequence[Steps]) -> Tensor:
    """Finish raw stacks: apply ``frame``, normalise, apply ``stacks``, each with steps for every stack.
    Stacks without any of the latter are left alone.

    Shapes:
        stack ``[B, C, Z, Y, X]`` Hz, result ``[B, C, Z', Y', X']``.

    Raises:
        InputError: for an unknown transform, and for stacks of one batch that got different ones.
    """
    moves, changes = _names(_FRAME, frame), _names(_STACK, [steps for steps in stacks if steps])
    size = max(1, _CACHED // max(1, stack[:1].numel())) if stack.device.type == "cpu" else len(stack)
    done = []
    for i in range(0, len(stack), size):
        own = slice(i, i + size)
        part = stack[own]
        for k, name in enumerate(moves):
            part = _FRAME[name].of([steps[k][1] for steps in frame[own]]).stack(part)
        part = NormalizeSlices()(part)
        changed = [steps for steps in stacks[own] if steps]
        if len(changed) == len(part):
            part = _changed(part, changes, changed)
        elif changed:
            which = [i for i, steps in enumerate(stacks[own]) if steps]
            part[which] = _changed(part[which], changes, changed)
        done.append(part)
    return torch.cat(done)


def change_graphs(samples: Sequence[AFMData], scan: Scan, frame: Sequence[Steps]) -> None:
    """Bring the samples' graphs, in place, from the frame of ``scan`` into that of their stacks after
    ``frame``. Errors as in :func:`change_stacks`."""
    for k, name in enumerate(_names(_FRAME, frame)):
        change = _FRAME[name].of([steps[k][1] for steps in frame])
        change.graph(samples, scan)
        scan = change.scan(scan)


def _changed(stack: Tensor, names: Sequence[str], steps: Sequence[Steps]) -> Tensor:
    for k, name in enumerate(names):
        stack = _STACK[name].of([one[k][1] for one in steps])(stack)
    return stack


def _names(known: Mapping[str, type[Transform]], drawn: Sequence[Steps]) -> list[str]:
    """Names of the transforms that a batch gets."""
    if not drawn:
        return []
    names = [[name for name, _ in steps] for steps in drawn]
    wrong = [row for row in names if row != names[0] or not known.keys() >= set(row)]
    if wrong:
        raise InputError(f"drawn: expected the same of {', '.join(known)} for a whole batch, got {wrong[0]}")
    return names[0]
