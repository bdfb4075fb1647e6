"""Figures of scores: single-atom steps (figures 5.2 to 5.5 of the graph-AFM thesis, Aalto University (see
CITATION.cff)), and whole predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from torch_afm.utils import check_shape

#: Points drawn at most: more only hide each other.
MAX_POINTS = 5000

_COLOR = "#1f77b4"


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
        ax.scatter(t[shown], p[shown], s=4, alpha=0.25, color=_COLOR, linewidths=0, rasterized=True)
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
        ax.errorbar(middle[known], values, yerr=bars, fmt="o-", color=_COLOR, lw=1.2, ms=4, capsize=2)
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


_COLORS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b")
_TITLES = {"atom": "atoms", "bond": "bonds", "label": "classes"}


def plot_sizes(
    tables: Mapping[str, dict[str, Any]], intervals: Mapping[str, dict[str, Any]] | None = None
) -> Figure:
    """F1 of atoms and of bonds and the share of exact graphs by number of visible atoms, a line a generator.

    Args:
        tables: what :meth:`torch_afm.metrics.MoleculeMetrics.compute` returns, by name of the generator.
        intervals: what its ``intervals`` returns, of those whose bars are to be drawn.
    """
    panels: dict[str, tuple[str, ...]] = {
        "F1 of atoms at 0.5 Å": ("f1", "0.5"),
        "F1 of bonds": ("bonds", "f1"),
        "exact graphs": ("exact",),
    }
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    for ax, (title, path) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        for color, (name, table) in zip(_COLORS * len(tables), tables.items(), strict=False):
            groups = [g for g in table if g != "all"]
            values = np.array([_number(_at(table[g], path)) for g in groups])
            bars = None
            if intervals and name in intervals:
                ends = [_at(intervals[name][g], path) or [np.nan] * 2 for g in groups]
                bars = np.abs(np.array(ends, dtype=float).reshape(-1, 2) - values[:, None]).T
            ax.errorbar(groups, values, yerr=bars, fmt="o-", color=color, lw=1.2, ms=4, capsize=2, label=name)
        ax.set(title=title, xlabel="visible atoms", ylim=(0, 1.02))
        ax.grid(alpha=0.25)
    figure.axes[0].legend(fontsize=8, frameon=False)
    return figure


def plot_images(table: dict[str, Any]) -> Figure:
    """Mean squared difference, Pearson's r and SSIM of simulated stacks with the reference, slice by slice.

    Args:
        table: one group of what :meth:`torch_afm.metrics.MoleculeMetrics.compute` returns.
    """
    titles = {"mse": "MSE (Hz²)", "pearson": "Pearson's r", "ssim": "SSIM"}
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    for ax, (score, title) in zip(figure.subplots(1, 3), titles.items(), strict=True):
        for color, (name, scores) in zip(_COLORS, table["images"].items(), strict=False):
            values = [_number(v) for v in scores[score][:-1]]
            ax.plot(range(1, len(values) + 1), values, "o-", color=color, lw=1.2, ms=3, label=name)
        ax.set(title=title, xlabel="slice, far to near")
        ax.grid(alpha=0.25)
    figure.axes[0].legend(fontsize=8, frameon=False)
    return figure


def plot_classes(table: dict[str, Any]) -> Figure:
    """Confusion of classes of whole predictions: rows true with a last row *extra*, columns predicted with a
    last column *missing*; fraction of the row and, in parentheses, number of atoms.

    Args:
        table: one group of what :meth:`torch_afm.metrics.MoleculeMetrics.compute` returns.
    """
    found = table["class"]
    size = max(4.0, 0.8 * len(found["names"]) + 1.5)
    figure = Figure(figsize=(size, size), layout="constrained")
    draw_confusion(figure.subplots(), found, "class of the atom", found["columns"])
    return figure


def plot_reliability(table: dict[str, Any], corrected: dict[str, Any] | None = None) -> Figure:
    """Reliability of the probabilities of atoms, bonds and classes, and coverage of the standard deviations
    of positions: what came true against what was said; on the diagonal the two are the same. Areas of points
    grow with the number of cases.

    Args:
        table: what :func:`torch_afm.metrics.calibration.confidence_tables` returns.
        corrected: the same after calibration.
    """
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    axes = figure.subplots(1, 4)
    sets = {"as predicted": table} | ({"calibrated": corrected} if corrected else {})
    for color, (label, one) in zip(_COLORS, sets.items(), strict=False):
        for ax, (name, title) in zip(axes, _TITLES.items(), strict=False):
            part = one[name]
            known = [i for i, n in enumerate(part["count"]) if n]
            x, y = ([part[key][i] for i in known] for key in ("predicted", "observed"))
            total = max(1, sum(part["count"]))
            ax.plot(x, y, "-", color=color, lw=1.2, label=f"{label}{_ece(part)}")
            ax.scatter(x, y, s=[12 + 120 * part["count"][i] / total for i in known], color=color, alpha=0.7)
            ax.set(title=title, xlabel="predicted probability", ylabel="share that was so")
        _draw_coverage(axes[3], one["position"], label, "-" if label == "as predicted" else "--")
    for ax in axes:
        ax.plot([0, 1], [0, 1], color="black", lw=0.8, ls=":")
        ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        ax.legend(fontsize=7, frameon=False)
    return figure


def _draw_coverage(ax: Axes, table: dict[str, Any], label: str, line: str) -> None:
    for color, axis in zip(_COLORS, "xyz", strict=False):
        observed = [_number(v) for v in table[axis]["observed"]]
        ax.plot(
            table["expected"],
            observed,
            line,
            color=color,
            lw=1.2,
            label=f"{axis}, {label}{_ece(table[axis])}",
        )
    ax.set(title="positions", xlabel="expected share within", ylabel="share within")


def _ece(part: Mapping[str, Any]) -> str:
    return "" if part["ece"] is None else f", ECE {part['ece']:.3f}"


def _at(layout: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        layout = layout[key]
    return layout


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)
