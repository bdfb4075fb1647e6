"""Images of one height, as of a series that goes down and up again: one slice of each."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from torch_afm.io.scans.scan_stack import ScanStack
from torch_afm.utils import InputError

#: Å: slices no farther from each other are of one height. Sweeps of z have steps of 0.005 Å and more.
SAME_HEIGHT = 0.002

#: Of the largest step, what two slices of one height may differ by.
_SHARE = 0.1


def repeated_heights(heights: np.ndarray) -> np.ndarray:
    """For each of the slices, far to near, the number of the height it belongs to, from 0: those within
    0.002 Å of the one before are of one height, where that is no more than a tenth of the largest step.

    Shapes:
        heights and result ``[Z]``.
    """
    steps = np.abs(np.diff(heights))
    same = min(SAME_HEIGHT, _SHARE * steps.max(initial=0.0))
    return np.concatenate([[0], np.cumsum(steps > same)])


def merge_repeats(stack: ScanStack, repeats: Literal["mean", "first", "last"] = "mean") -> ScanStack:
    """One slice of each height: the mean of all images within 0.002 Å of the next, or the one that was
    measured first or last.

    The mean has less noise, where the images lie on each other: take out drift before
    (:func:`torch_afm.io.scans.align_slices`).

    Args:
        stack: slices of equal height in the order in which they were measured.
        repeats: which to take.

    Raises:
        InputError: for another choice.
    """
    if repeats not in ("mean", "first", "last"):
        raise InputError(f"repeats: expected mean, first or last, got {repeats!r}")
    owner = repeated_heights(stack.heights)
    n = int(owner[-1]) + 1
    if n == len(owner):
        return stack
    members = [np.flatnonzero(owner == i) for i in range(n)]
    if repeats != "mean":
        times = np.asarray(stack.meta.get("times", stack.meta.get("order", np.arange(len(owner)))))
        best = np.argmin if repeats == "first" else np.argmax
        members = [m[[best(times[m])]] for m in members]
    meta: dict[str, Any] = dict(stack.meta)
    for key, values in stack.each_slice().items():
        meta[key] = [_merged([values[i] for i in m]) for m in members]
    return stack.replace(
        values=np.stack([stack.values[m].mean(axis=0) for m in members]),
        heights=np.array([stack.heights[m].mean() for m in members]),
        meta=meta,
    )


def _merged(values: list[Any]) -> Any:
    names = isinstance(values[0], str)
    return " + ".join(dict.fromkeys(values)) if names else np.mean(values, axis=0).tolist()
