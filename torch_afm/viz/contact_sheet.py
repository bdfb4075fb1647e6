"""A contact sheet of stacks, or of the files of a measuring day."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from torch_afm.io.scans import ScanStack
from torch_afm.utils import InputError
from torch_afm.viz.stacks import draw_slice

#: Panels in one row, width of a panel in inches, characters below an inch of them.
_ROW, _PANEL, _LETTERS = 9, 1.3, 18.5

#: Inches: between panels, for the title above and the titles of panels, for a line of the caption below.
_GAP, _ABOVE, _LINE = 0.05, 0.36, 0.11


class SheetPanel(NamedTuple):
    """An image of a contact sheet.

    Attributes:
        image: the image ``[Y, X]``, its first line lowest; masked or NaN where nothing was measured.
        title: above it.
        x: pixel positions in Å; without them pixels are counted.
        y: pixel positions in Å.
    """

    image: np.ndarray
    title: str = ""
    x: np.ndarray | None = None
    y: np.ndarray | None = None


class SheetEntry(NamedTuple):
    """A stack or a file of a contact sheet.

    Attributes:
        title: above it.
        panels: its images, from left to right.
        caption: below it.
    """

    title: str
    panels: Sequence[SheetPanel]
    caption: str = ""


def stack_panels(stack: ScanStack) -> list[SheetPanel]:
    """Far, middle and near slice of a stack with their heights above the nearest one; slices without a
    measured pixel are passed over."""
    images = np.ma.masked_invalid(stack.values)
    titles = [f"{height - stack.heights[-1]:+.2f} Å" for height in stack.heights]
    return [SheetPanel(images[s], titles[s], stack.x, stack.y) for s in _shown(stack.values)]


def plot_contact_sheet(entries: Sequence[SheetEntry]) -> Figure:
    """The images of each entry, nine a row at most, each on its own gray scale; what was not measured is
    white.

    Args:
        entries: stacks, drawn or measured (:func:`stack_panels`), or files.

    Raises:
        InputError: for no entries.
    """
    if not entries:
        raise InputError("entries: expected at least one stack, got none")
    slots = max(1, *(len(entry.panels) for entry in entries))
    columns = min(max(1, _ROW // slots), len(entries))
    rows = -(-len(entries) // columns)
    captions = [fill(entry.caption, int(_LETTERS * _PANEL * slots)) for entry in entries]
    below = _LINE * (1 + max(caption.count("\n") + 1 for caption in captions))
    # Places are counted out: a layout engine takes minutes for a hundred panels.
    width, height = (_PANEL + _GAP) * slots + _GAP, _PANEL + _ABOVE + below
    figure = Figure(figsize=(width * columns, height * rows))
    grid = figure.subfigures(rows, columns, squeeze=False)
    place = {"left": _GAP / width, "right": 1 - _GAP / width, "wspace": _GAP / _PANEL}
    place |= {"bottom": below / height, "top": 1 - _ABOVE / height}
    for part, entry, caption in zip(grid.flat, entries, captions, strict=False):
        part.suptitle(entry.title, fontsize=8, parse_math=False, y=1 - 0.04 / height)
        part.supxlabel(caption, fontsize=6.5, parse_math=False, y=(below - 0.3 * _LINE) / height, va="top")
        axes = part.subplots(1, slots, squeeze=False, gridspec_kw=place)[0]
        for ax in axes:
            ax.set_axis_off()
        for ax, panel in zip(axes, entry.panels, strict=False):
            ax.set_axis_on()
            draw_slice(ax, panel.image, panel.x, panel.y)
            ax.set(xticks=[], yticks=[])
            ax.set_title(panel.title, fontsize=6, pad=2, parse_math=False)
    return figure


def _shown(values: np.ndarray) -> list[int]:
    """The farthest, middle and nearest of the slices with a measured pixel, as many as there are."""
    there = np.flatnonzero(np.isfinite(values).any(axis=(1, 2)))
    if not len(there):
        return []
    return there[np.unique([0, len(there) // 2, len(there) - 1])].tolist()
