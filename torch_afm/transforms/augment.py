"""All augmentations of a training sample, drawn and applied (the graph-AFM thesis, Aalto University, see
CITATION.cff, section 2.3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.functional import normalize_slices
from torch_afm.transforms.base import (
    Augmentation,
    FrameAugmentation,
    StackAugmentation,
    Steps,
    as_lists,
)
from torch_afm.transforms.cutout import Cutout
from torch_afm.transforms.drift import Creep, Drift
from torch_afm.transforms.noise import Noise, RowOffsets
from torch_afm.transforms.plane import Plane
from torch_afm.transforms.slice_shift import SliceShift
from torch_afm.transforms.tip_shape import DoubleTip, TipAsymmetry
from torch_afm.utils import InputError

#: Numbers in the stacks that are changed at a time on a CPU, so that they stay in its cache.
_CACHED = 2**19

_PRESETS = ("published", "complete")


class Augment:
    """Which augmentations a training sample gets, in which order: changes of the frame, normalization,
    changes of each stack. The defaults are the thesis' (section 2.3.2); the tip is drawn by
    :class:`~torch_afm.transforms.RandomTip` before.

    Args:
        frame: changes of both stacks and the graph together, drawn once a sample.
        stack: changes of the normalized stacks, drawn for each stack.
        share: share of the stacks that get these changes; the others stay as they are rendered.

    Raises:
        InputError: for what is no augmentation of a frame or a stack, and what is no share.
    """

    def __init__(
        self,
        frame: Sequence[FrameAugmentation] = (),
        stack: Sequence[StackAugmentation] = (Noise(), SliceShift(), Cutout()),
        share: float = 1.0,
    ) -> None:
        if not 0 <= share <= 1:
            raise InputError(f"share: expected a share, got {share}")
        _check("frame", frame, FrameAugmentation)
        _check("stack", stack, StackAugmentation)
        self.frame = tuple(frame)
        self.stack = tuple(stack)
        self.share = share

    def scan(self, scan: Scan) -> Scan:
        """The scan of finished stacks, from that of the rendered ones. Errors as in
        :meth:`~torch_afm.transforms.FrameAugmentation.apply_to_scan`."""
        for augmentation in self.frame:
            scan = augmentation.scan(scan)
        return scan

    def draw_frame(self, scan: Scan, pos: np.ndarray, rng: np.random.Generator) -> Steps:
        """Changes of the frame for one sample, rendered with ``scan``, with visible atoms at ``pos`` Å."""
        steps: Steps = []
        for augmentation in self.frame:
            drawn = augmentation.draw(scan, pos, rng)
            steps.append((type(augmentation).__name__, drawn))
            # The next one is drawn for what this one leaves.
            moved, lists = AFMData(pos=torch.from_numpy(pos)), as_lists([drawn])
            augmentation.apply_to_graphs([moved], scan, **lists)
            pos, scan = moved.pos.numpy(), augmentation.apply_to_scan(scan, **lists)
        return steps

    def draw_stack(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Steps:
        """Changes for one finished stack of ``shape`` (Z, Y, X); none, if that is drawn."""
        if self.share < 1 and rng.uniform() >= self.share:
            return []
        return [(type(one).__name__, one.draw(shape, rng)) for one in self.stack]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(frame={list(self.frame)}, stack={list(self.stack)}, share={self.share})"
        )


def handcrafted(preset: str = "complete") -> tuple[StackAugmentation, ...]:
    """Perturbations that make simulated stacks look less clean, in the order in which an experiment makes
    them: tip, scanner, electronics. For ``Augment(stack=handcrafted())``.

    Args:
        preset: ``published``: background gradient, noise, cutouts and slice shifts, those of arXiv:2509.02240
            with its amplitudes; ``complete``: these, and double and asymmetric tip, drift, creep and row
            offsets.

    Raises:
        InputError: for another name.
    """
    if preset not in _PRESETS:
        raise InputError(f"preset: expected one of {', '.join(_PRESETS)}, got {preset!r}")
    shift, plane, noise, cutout = SliceShift(), Plane(0.3), Noise(0.1), Cutout()
    if preset == "published":
        return shift, plane, noise, cutout
    return (DoubleTip(), TipAsymmetry(), Drift(), Creep(), shift, RowOffsets(), plane, noise, cutout)


def change_stacks(stack: Tensor, frame: Sequence[Steps], stacks: Sequence[Steps]) -> Tensor:
    """Finish raw stacks: apply ``frame``, normalize, apply ``stacks``, each with steps for every stack.
    Stacks without any of the latter are left alone.

    Shapes:
        stack ``[B, C, Z, Y, X]`` Hz, result ``[B, C, Z', Y', X']``.

    Raises:
        InputError: for an unknown augmentation, and for stacks of one batch that got different ones.
    """
    moves = FrameAugmentation.from_steps(frame)
    changes = StackAugmentation.from_steps([steps for steps in stacks if steps])
    size = max(1, _CACHED // max(1, stack[:1].numel())) if stack.device.type == "cpu" else len(stack)
    done = []
    for i in range(0, len(stack), size):
        chunk = slice(i, i + size)
        part = normalize_slices(_apply(stack[chunk], moves, frame[chunk]))
        changed = [steps for steps in stacks[chunk] if steps]
        if len(changed) == len(part):
            part = _apply(part, changes, changed)
        elif changed:
            rows = [row for row, steps in enumerate(stacks[chunk]) if steps]
            part[rows] = _apply(part[rows], changes, changed)
        done.append(part)
    return torch.cat(done)


def change_frames(stack: Tensor, frame: Sequence[Steps]) -> Tensor:
    """Apply ``frame``, with steps for every stack, to anything that has the pixels of stacks. Shapes and
    errors as in :func:`change_stacks`."""
    return _apply(stack, FrameAugmentation.from_steps(frame), frame)


def change_graphs(samples: Sequence[AFMData], scan: Scan, frame: Sequence[Steps]) -> None:
    """Bring the samples' graphs, in place, from the frame of ``scan`` into that of their stacks after
    ``frame``. Errors as in :func:`change_stacks`."""
    for k, change in enumerate(FrameAugmentation.from_steps(frame)):
        lists = as_lists([steps[k][1] for steps in frame])
        change.apply_to_graphs(samples, scan, **lists)
        scan = change.apply_to_scan(scan, **lists)


def _check(name: str, augmentations: Sequence[Augmentation], base: type[Augmentation]) -> None:
    for one in augmentations:
        if not isinstance(one, base):
            raise InputError(f"{name}: expected instances of {base.__name__}, got {one!r}")


def _apply(
    stack: Tensor,
    changes: Sequence[type[StackAugmentation | FrameAugmentation]],
    steps: Sequence[Steps],
) -> Tensor:
    for k, change in enumerate(changes):
        stack = change.apply(stack, **as_lists([one[k][1] for one in steps]))
    return stack
