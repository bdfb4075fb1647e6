"""Figures of the scores of whole predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from torch_afm.viz.evaluation import draw_confusion

_COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b")
_KINDS = {"atom": "atoms", "bond": "bonds", "label": "classes"}


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
        for colour, (name, table) in zip(_COLOURS * len(tables), tables.items(), strict=False):
            groups = [g for g in table if g != "all"]
            values = np.array([_number(_at(table[g], path)) for g in groups])
            bars = None
            if intervals and name in intervals:
                ends = [_at(intervals[name][g], path) or [np.nan] * 2 for g in groups]
                bars = np.abs(np.array(ends, dtype=float).reshape(-1, 2) - values[:, None]).T
            ax.errorbar(
                groups, values, yerr=bars, fmt="o-", color=colour, lw=1.2, ms=4, capsize=2, label=name
            )
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
        for colour, (name, scores) in zip(_COLOURS, table["images"].items(), strict=False):
            values = [_number(v) for v in scores[score][:-1]]
            ax.plot(range(1, len(values) + 1), values, "o-", color=colour, lw=1.2, ms=3, label=name)
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
    for colour, (label, one) in zip(_COLOURS, sets.items(), strict=False):
        for ax, (kind, title) in zip(axes, _KINDS.items(), strict=False):
            part = one[kind]
            known = [i for i, n in enumerate(part["count"]) if n]
            x, y = ([part[key][i] for i in known] for key in ("predicted", "observed"))
            total = max(1, sum(part["count"]))
            ece = "" if part["ece"] is None else f", ECE {part['ece']:.3f}"
            ax.plot(x, y, "-", color=colour, lw=1.2, label=f"{label}{ece}")
            ax.scatter(x, y, s=[12 + 120 * part["count"][i] / total for i in known], color=colour, alpha=0.7)
            ax.set(title=title, xlabel="predicted probability", ylabel="share that was so")
        _draw_coverage(axes[3], one["position"], label, "-" if label == "as predicted" else "--")
    for ax in axes:
        ax.plot([0, 1], [0, 1], color="black", lw=0.8, ls=":")
        ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        ax.legend(fontsize=7, frameon=False)
    return figure


def _draw_coverage(ax: Axes, table: dict[str, Any], label: str, line: str) -> None:
    for colour, axis in zip(_COLOURS, "xyz", strict=False):
        observed = [_number(v) for v in table[axis]["observed"]]
        ax.plot(table["expected"], observed, line, color=colour, lw=1.2, label=f"{axis}, {label}")
    ax.set(title="positions", xlabel="expected share within", ylabel="share within")


def _at(layout: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        layout = layout[key]
    return layout


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)
