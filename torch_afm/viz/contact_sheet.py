"""A contact sheet of stacks."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from torch_afm.io.scans import ScanStack
from torch_afm.utils import InputError
from torch_afm.viz.stacks import draw_slice

#: Stacks in one row, slices of each, width of a slice in inches, characters in a line below it.
_COLUMNS, _SLICES, _PANEL, _LINE = 3, 3, 1.3, 72


class SheetEntry(NamedTuple):
    """A stack of a contact sheet.

    Attributes:
        title: above it.
        stack: the stack, NaN where it was not measured.
        caption: below it.
    """

    title: str
    stack: ScanStack
    caption: str = ""


def plot_contact_sheet(entries: Sequence[SheetEntry]) -> Figure:
    """Far, middle and near slice of each stack, three stacks a row, each slice on its own gray scale, with
    its height above the nearest one. Slices without a measured pixel are passed over; what was not measured
    is white.

    Args:
        entries: the stacks, drawn or measured.

    Raises:
        InputError: for no stacks.
    """
    if not entries:
        raise InputError("entries: expected at least one stack, got none")
    rows = -(-len(entries) // _COLUMNS)
    columns = min(_COLUMNS, len(entries))
    captions = [fill(entry.caption, _LINE) for entry in entries]
    below = 0.11 * max(caption.count("\n") + 1 for caption in captions)
    size = (_PANEL + 0.05) * _SLICES * columns, (_PANEL + 0.4 + below) * rows
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(h_pad=0.02, w_pad=0.02))
    grid = figure.subfigures(rows, columns, squeeze=False)
    for part, entry, caption in zip(grid.flat, entries, captions, strict=False):
        part.suptitle(entry.title, fontsize=8, parse_math=False)
        part.supxlabel(caption, fontsize=6.5, parse_math=False)
        axes = part.subplots(1, _SLICES)
        for ax in axes:
            ax.set_axis_off()
        stack = entry.stack
        images = np.ma.masked_invalid(stack.values)
        for ax, s in zip(axes, _shown(stack.values), strict=False):
            ax.set_axis_on()
            draw_slice(ax, images[s], stack.x, stack.y)
            ax.set(xticks=[], yticks=[])
            ax.set_title(f"{stack.heights[s] - stack.heights[-1]:+.2f} Å", fontsize=6, pad=2)
    return figure


def _shown(values: np.ndarray) -> list[int]:
    """The farthest, middle and nearest of the slices with a measured pixel, as many as there are."""
    there = np.flatnonzero(np.isfinite(values).any(axis=(1, 2)))
    if not len(there):
        return []
    return there[np.unique([0, len(there) // 2, len(there) - 1])].tolist()
