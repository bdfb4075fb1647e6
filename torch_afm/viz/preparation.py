"""A scan before and after it was prepared for a model."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from torch_afm.io.scans import PreparedScan, ScanStack
from torch_afm.viz.stacks import draw_slice, frame


def plot_preparation(prepared: PreparedScan) -> Figure:
    """Far, middle and near slice of the scan as it was read, above those that the model sees; and mean and
    contrast of all slices over height, before (grey) and after (blue)."""
    figure = Figure(figsize=(12, 6), layout="constrained")
    axes = figure.subplots(2, 4)
    for row, (name, stack) in enumerate((("as read", prepared.raw), ("prepared", prepared.stack))):
        n = len(stack.heights)
        for ax, s in zip(axes[row], (0, n // 2, n - 1), strict=False):
            _draw(ax, stack, s)
            frame(ax, f"{name}, slice {s + 1} of {n}", f"{stack.heights[s]:.2f} Å")
    for ax, what, function in ((axes[0, 3], "mean", np.nanmean), (axes[1, 3], "contrast", np.nanstd)):
        for stack, colour in ((prepared.raw, "0.6"), (prepared.stack, "#0072b2")):
            there = np.isfinite(stack.values).any(axis=(1, 2))
            values = [function(s) for s in stack.values[there]]
            ax.plot(stack.heights[there], values, "o-", color=colour, markersize=3)
        ax.set(title=f"{what} of the slices ({prepared.raw.unit})", xlabel="height (Å)")
        ax.title.set_size(9)
        ax.tick_params(labelsize=8)
    return figure


def _draw(ax: Axes, stack: ScanStack, s: int) -> None:
    image = stack.values[s]
    there = np.isfinite(image)
    draw_slice(ax, np.where(there, image, image[there].min() if there.any() else 0.0), stack.x, stack.y)
