"""Pictures of style translation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from torch_afm.utils import InputError, check_shape
from torch_afm.viz.stacks import draw_slice, frame, scale_label

#: Slices of a stack that a sample sheet shows.
_SHOWN = 5


def plot_translations(stacks: Mapping[str, np.ndarray], title: str | None = None, unit: str = "") -> Figure:
    """A sample sheet: the same slices, far to near, of a source, its translation and others, a row each.

    Args:
        stacks: stacks by name.
        title: title of the figure.
        unit: unit of the values.

    Shapes:
        each ``[Z, Y, X]``.

    Raises:
        InputError: for no stacks, or such of another shape.
    """
    if not stacks:
        raise InputError("stacks: expected at least one, got none")
    for name, stack in stacks.items():
        check_shape(name, stack, (None, None, None))
    columns = min(_SHOWN, max(len(stack) for stack in stacks.values()))
    figure = Figure(figsize=(0.6 + 1.7 * columns, 0.4 + 2.0 * len(stacks)), layout="compressed")
    if title:
        figure.suptitle(title)
    axes = figure.subplots(len(stacks), columns, squeeze=False)
    for row, (name, stack) in zip(axes, stacks.items(), strict=True):
        slices = np.linspace(0, len(stack) - 1, columns).round().astype(int).tolist()
        for ax, z in zip(row, slices, strict=True):
            draw_slice(ax, stack[z])
            frame(ax, f"{name}, slice {z}", scale_label(stack[z], unit).strip())
    return figure


def plot_checkpoints(
    epochs: Sequence[int],
    distances: Mapping[str, Sequence[float]],
    floors: Mapping[str, float],
    content: Mapping[str, Sequence[float]],
    chosen: int | None = None,
    rejected: Sequence[int] = (),
) -> Figure:
    """Image metrics and content preservation of each checkpoint, with the floor of each metric dashed, the
    chosen checkpoint as a line, and those that destroy content shaded.

    Args:
        epochs: epoch of each checkpoint.
        distances: values of each image metric.
        floors: the same metric between halves of the target.
        content: values of each measure of content.
        chosen: epoch of the chosen checkpoint.
        rejected: epochs of those that destroy content.

    Raises:
        InputError: for values that are not one an epoch.
    """
    for name, values in (*distances.items(), *content.items()):
        if len(values) != len(epochs):
            raise InputError(f"{name}: expected a value for each of {len(epochs)} epochs, got {len(values)}")
    panels = len(distances) + 1
    columns = min(4, panels)
    rows = -(-panels // columns)
    figure = Figure(figsize=(3.2 * columns, 2.6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, (name, values) in zip(axes, distances.items(), strict=False):
        ax.plot(epochs, values, ".-", color="#1f77b4", lw=1.2)
        ax.axhline(floors[name], color="#1f77b4", ls="--", lw=1, label="floor")
        ax.set_title(name, fontsize=9)
        # Unbiased estimates may be negative.
        ax.set_yscale("log" if min(*values, floors[name]) > 0 else "linear")
        ax.legend(frameon=False, fontsize=8)
    last = axes[len(distances)]
    for name, values in content.items():
        last.plot(epochs, values, ".-", lw=1.2, label=name)
    last.set_title("content", fontsize=9)
    last.legend(frameon=False, fontsize=8)
    for ax in axes[:panels]:
        ax.set_xlabel("epoch", fontsize=8)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(alpha=0.25)
        for epoch in rejected:
            ax.axvspan(epoch - 0.4, epoch + 0.4, color="#d62728", alpha=0.15, lw=0)
        if chosen is not None:
            ax.axvline(chosen, color="#2ca02c", lw=1.2)
    for ax in axes[panels:]:
        ax.set_axis_off()
    return figure
