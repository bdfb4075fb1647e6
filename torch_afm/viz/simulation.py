"""Sheets of simulated stacks with their atoms, and their frequency shift over height."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from torch_afm.config import Scan
from torch_afm.data import AFMData, covalent_bonds
from torch_afm.io import AFMStack
from torch_afm.ppm.periodic import cell_shifts
from torch_afm.utils import InputError, check_shape
from torch_afm.viz.graphs import ACCENT, draw_graph
from torch_afm.viz.stacks import draw_slice

#: Images of a stack that is alone, and of one of several; images in one row, at most.
_MAX_ALONE, _MAX_EACH, _ROW = 17, 3, 6
#: Panels in one row of a figure of curves, and the colors of its points, of Okabe and Ito's set.
_CURVES = 4
_POINTS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
#: Stacks below each other before the next column of them begins, and columns at most.
_STACKED, _COLUMNS = 8, 3
#: Inches: of an image, of what lies right of, above and below it, and of a stack's label.
_IMAGE, _BAR, _ABOVE, _BELOW, _LABEL = 1.5, 0.55, 0.2, 0.06, 0.2
#: Å below the top atom down to which a surface is drawn, and beyond the window.
_DEPTH, _BEYOND = 2.0, 1.0
#: Lengths that a scale bar may have, in Å, and its largest share of the window.
_LENGTHS, _SHARE = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000), 0.4


def plot_simulation(stacks: Sequence[AFMStack], data: AFMData, labels: Sequence[str] | None = None) -> Figure:
    """Images of simulated stacks, each with its scale bar in Å and its color bar, and once more the nearest
    image of each stack with atoms and bonds over it (:func:`torch_afm.viz.draw_graph`).

    A single stack shows up to 17 slices; several show three each, the farthest, the middle and the nearest.
    A periodic sample is drawn with its images in the window, down to 2 Å below the top atom.

    Args:
        stacks: of the first channel of which the images are.
        data: the atoms, in the frame of the stacks.
        labels: one for each stack, above its images.

    Raises:
        InputError: for no stacks, and labels that are not one a stack.
    """
    if not stacks:
        raise InputError("stacks: expected at least one, got none")
    if labels is not None and len(labels) != len(stacks):
        raise InputError(f"labels: expected one a stack, {len(stacks)}, got {len(labels)}")
    titles = labels or [""] * len(stacks)
    chosen = _slices(stacks[0].stack.shape[1], _MAX_ALONE if len(stacks) == 1 else _MAX_EACH)
    images = len(chosen) + 1
    columns = math.ceil(images / math.ceil(images / _ROW))
    # Places are counted out: a layout engine takes minutes for hundreds of panels.
    tall = _IMAGE * float(np.clip(_side(stacks[0].y) / _side(stacks[0].x), 0.3, 3.0))
    label = _LABEL if labels else 0.0
    row, wide = tall + _ABOVE + _BELOW, (_IMAGE + _BAR) * columns + 0.1
    block = label + row * math.ceil(images / columns) + 0.04
    blocks = min(math.ceil(len(stacks) / _STACKED), _COLUMNS)
    high = math.ceil(len(stacks) / blocks)
    figure = Figure(figsize=(wide * blocks, block * high + 0.05))
    width, height = figure.get_size_inches()
    for number, (stack, title) in enumerate(zip(stacks, titles, strict=True)):
        left, top = wide * (number // high) + 0.05, height - block * (number % high) - 0.03
        if title:
            style: dict[str, Any] = {"fontsize": 8, "va": "top", "parse_math": False, "weight": "bold"}
            figure.text(left / width, top / height, title, **style)
        atoms = _drawn_atoms(data, stack)
        for i, s in enumerate([*chosen, chosen[-1]]):
            x = left + (i % columns) * (_IMAGE + _BAR)
            y = top - label - row * (i // columns) - _ABOVE - tall
            ax = figure.add_axes((x / width, y / height, _IMAGE / width, tall / height))
            over = i == len(chosen)
            _draw_image(ax, stack, s, None if over else (_IMAGE, tall))
            if over:
                window = ax.get_xlim(), ax.get_ylim()
                draw_graph(ax, atoms, window)
            ax.set_title("nearest, with atoms" if over else f"z = {stack.z[s]:.2f} Å", fontsize=7, pad=2)
    return figure


def plot_frequency_curves(
    z: Sequence[np.ndarray],
    frequency_shift: Sequence[np.ndarray],
    points: Sequence[tuple[float, float]],
    stack: AFMStack,
    data: AFMData,
    labels: Sequence[str] | None = None,
) -> Figure:
    """Δf(z) at points of a surface, beside the nearest image of a stack with atoms, bonds and the points.

    Args:
        z: heights of each of V simulations in Å.
        frequency_shift: of each, in Hz.
        points: (x, y) in Å.
        stack: the stack of the first simulation.
        data: the atoms, in its frame.
        labels: of the simulations.

    Shapes:
        z ``[Z]``, frequency_shift ``[P, Z]``, V times each.

    Raises:
        InputError: for other shapes.
    """
    if not len(z) == len(frequency_shift) == len(labels or z) > 0:
        raise InputError(f"z, frequency_shift, labels: expected one each a simulation, got {len(z)} z")
    for heights, values in zip(z, frequency_shift, strict=True):
        check_shape("frequency_shift", values, (len(points), len(heights)))
    # Several simulations have a panel for each point and a color each; one has a color for each point.
    several = len(z) > 1
    panels = len(points) if several else 1
    columns = min(_CURVES, panels + 1)
    rows = math.ceil((panels + 1) / columns)
    figure = Figure(figsize=(4.2 * columns, 3.6 * rows), layout="constrained")
    first, *axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[panels:]:
        ax.set_axis_off()
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, len(z)))
    for number, (heights, values) in enumerate(zip(z, frequency_shift, strict=True)):
        for point, curve in enumerate(values):
            color = shades[number] if several else _POINTS[point % len(_POINTS)]
            name = labels[number] if several and labels else f"{point + 1}"
            axes[point if several else 0].plot(heights, curve, color=color, lw=1.2, label=name)
    for point, ax in enumerate(axes[:panels]):
        ax.set(xlabel="z (Å)", ylabel="frequency shift (Hz)")
        ax.axhline(0, color="0.7", lw=0.6, zorder=0)
        if several:
            ax.set_title(f"{point + 1}: x = {points[point][0]:g} Å, y = {points[point][1]:g} Å", fontsize=9)
    if several or len(points) > 1:
        n = max(len(z), len(points) if not several else 1)
        axes[0].legend(frameon=False, fontsize=7 if n <= 12 else 4, ncols=1 + n // 24)
    _draw_image(first, stack, len(stack.z) - 1, None)
    draw_graph(first, _drawn_atoms(data, stack), (first.get_xlim(), first.get_ylim()))
    for point, (x, y) in enumerate(points):
        color = ACCENT if several else _POINTS[point % len(_POINTS)]
        first.plot(x, y, "+", color=color, ms=9, mew=2, zorder=9)
        text = first.annotate(str(point + 1), (x, y), (4, 4), textcoords="offset points", zorder=9)
        text.set(color=color, weight="bold", path_effects=[withStroke(linewidth=2, foreground="white")])
    first.set_title(f"z = {stack.z[-1]:.2f} Å", fontsize=9)
    return figure


def _draw_image(ax: Axes, stack: AFMStack, s: int, size: tuple[float, float] | None) -> None:
    """A slice with its scale bar and, where the size of ``ax`` in inches is given, its color bar beside."""
    drawn = draw_slice(ax, stack.stack[0, s], stack.x, stack.y, fade=0.0 if size else 0.35)
    ax.set(xticks=[], yticks=[])
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    length = max([v for v in _LENGTHS if v <= _SHARE * (x1 - x0)], default=_LENGTHS[0])
    x, y = x0 + 0.05 * (x1 - x0), y0 + 0.06 * (y1 - y0)
    edge = [withStroke(linewidth=4, foreground="white")]
    ax.plot([x, x + length], [y, y], color="black", lw=2.5, path_effects=edge, zorder=8)
    middle, above = x + length / 2, y + 0.03 * (y1 - y0)
    text = ax.text(
        middle, above, f"{length:g} Å", color="black", fontsize=6 if size else 8, ha="center", zorder=8
    )
    text.set_path_effects([withStroke(linewidth=1.5, foreground="white")])
    if size is None or ax.figure is None:
        return
    bar = ax.inset_axes((1.03, 0.0, 0.09 / size[0], 1.0))
    ax.figure.colorbar(drawn, cax=bar)
    bar.tick_params(labelsize=5.5, length=2, pad=1.5)
    bar.set_title(stack.unit, fontsize=6, pad=2, loc="left")
    bar.yaxis.set_major_locator(MaxNLocator(4))


def _drawn_atoms(data: AFMData, stack: AFMStack) -> AFMData:
    """The atoms of a molecule; of what repeats, those in the window and the uppermost."""
    if "pbc" not in data or not bool(data.pbc[0, :2].any()):
        return data
    window = (float(stack.x[0]), float(stack.x[-1])), (float(stack.y[0]), float(stack.y[-1]))
    scan = Scan(window=window)
    upper = data.pos[:, 2] > data.pos[:, 2].max() - _DEPTH
    z, pos = data.z[upper], data.pos[upper].double().numpy()
    center = np.array([*scan.center, 0.0])
    shifts = cell_shifts(pos - center, data.cell[0].double().numpy(), data.pbc[0].numpy(), scan)
    images = (pos[None] + shifts[:, None]).reshape(-1, 3)
    inside = (np.abs(images - center)[:, :2] <= np.array(scan.extent) / 2 + _BEYOND).all(1)
    found = torch.from_numpy(images[inside]).float()
    z = z.repeat(len(shifts))[torch.from_numpy(inside)]
    return AFMData(z=z, pos=found, edge_index=covalent_bonds(z, found))


def _slices(n: int, most: int) -> list[int]:
    """At most ``most`` of ``n`` slices, evenly, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int)).tolist()


def _side(positions: np.ndarray) -> float:
    """Length of an axis from edge to edge of its pixels."""
    n = len(positions)
    return float(positions[-1] - positions[0]) * n / max(1, n - 1) or 1.0
