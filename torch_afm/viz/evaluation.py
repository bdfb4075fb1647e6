"""Figures of single-atom scores: the thesis' figures 5.2 to 5.5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from torch_afm.utils import check_shape

#: Points drawn at most: more only hide each other.
MAX_POINTS = 5000

_COLOUR = "#1f77b4"


def plot_parity(true: np.ndarray, pred: np.ndarray) -> Figure:
    """Predicted against true x, y and z of single-atom steps (figure 5.2), the diagonal that they should lie
    on, and the least-squares line that they do.

    Args:
        true: true positions in Å, as :meth:`torch_afm.metrics.StepMetrics.positions` gives them.
        pred: predicted positions in Å.

    Shapes:
        both ``[S, 3]``.
    """
    check_shape("true", true, (None, 3))
    check_shape("pred", pred, true.shape)
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    shown = np.random.default_rng(0).permutation(len(true))[:MAX_POINTS]
    for axis, ax, t, p in zip("xyz", figure.subplots(1, 3), true.T, pred.T, strict=True):
        ax.scatter(t[shown], p[shown], s=4, alpha=0.25, color=_COLOUR, linewidths=0, rasterized=True)
        if len(t) > 1 and np.ptp(t) > 0:
            slope, at_zero = np.polyfit(t, p, 1)
            ends = np.array([t.min(), t.max()])
            ax.plot(ends, at_zero + slope * ends, color="#d62728", lw=1.2, label=f"slope {slope:.2f}")
            limits = min(t.min(), p.min()), max(t.max(), p.max())
            ax.plot(limits, limits, color="black", lw=0.8, ls="--", label="exact")
            ax.set(xlim=limits, ylim=limits)
            ax.legend(fontsize=8, frameon=False, loc="upper left")
        ax.set(aspect="equal", xlabel=f"true {axis} (Å)", ylabel=f"predicted {axis} (Å)")
    return figure


def plot_depth(table: dict[str, Any], intervals: dict[str, Any] | None = None) -> Figure:
    """Mean error in r, x, y and z against the depth of the true atom (figure 5.3), bin by bin.

    Args:
        table: what :meth:`torch_afm.metrics.StepMetrics.compute` returns.
        intervals: what :meth:`torch_afm.metrics.StepMetrics.intervals` returns, to be drawn as bars.
    """
    depth = table["depth"]
    edges = np.array(depth["edges"])
    middle = (edges[1:] + edges[:-1]) / 2
    figure = Figure(figsize=(8, 5), layout="constrained")
    for name, ax in zip("rxyz", figure.subplots(2, 2, sharex=True).flat, strict=True):
        known = [i for i, value in enumerate(depth[name]) if value is not None]
        values = np.array([depth[name][i] for i in known], dtype=float)
        bars = None
        if intervals and known:
            ends = np.array([intervals["depth"][name][i] for i in known], dtype=float)
            bars = np.abs(ends - values[:, None]).T
        ax.errorbar(middle[known], values, yerr=bars, fmt="o-", color=_COLOUR, lw=1.2, ms=4, capsize=2)
        ax.set(ylabel=f"mean error in {name} (Å)", ylim=(0, None), xlim=(edges[-1], edges[0]))
        ax.grid(alpha=0.25)
    for ax in figure.axes[2:]:
        ax.set_xlabel("true z (Å); the top atom is at 0")
    return figure


def plot_confusion(table: dict[str, Any]) -> Figure:
    """Confusion of classes and of bonds (figures 5.4 and 5.5): in each box the fraction of its row and, in
    parentheses, the number of cases; rows are the truth, columns what was predicted.

    Args:
        table: what :meth:`torch_afm.metrics.StepMetrics.compute` returns.
    """
    figure = Figure(figsize=(8, 3.8), layout="constrained")
    titles = {"class": "class of the atom", "bond": "bonds to atoms there"}
    for ax, (name, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        draw_confusion(ax, table[name], title, table[name]["names"])
    return figure


def draw_confusion(ax: Axes, table: dict[str, Any], title: str, columns: Sequence[str]) -> None:
    """Draw one confusion.

    Args:
        ax: where to.
        table: ``names`` of the rows, ``fraction`` of each row and ``count``.
        title: title.
        columns: names of the columns.
    """
    names = table["names"]
    fraction = np.array([[np.nan if f is None else f for f in row] for row in table["fraction"]], dtype=float)
    ax.imshow(np.nan_to_num(fraction), cmap="Blues", vmin=0, vmax=1)
    for i, row in enumerate(table["count"]):
        for j, count in enumerate(row):
            share = "–" if np.isnan(fraction[i, j]) else f"{fraction[i, j]:.3f}"
            ink = "white" if fraction[i, j] > 0.5 else "black"
            ax.text(j, i, f"{share}\n({count})", ha="center", va="center", color=ink, fontsize=10)
    ax.set_title(title, fontsize=10)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(names)), names, rotation=90, va="center")
    ax.set(xlabel="predicted", ylabel="true")
