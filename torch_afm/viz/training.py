"""Pictures of training: learning curves, and what the data show."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from torch_afm.utils import InputError

#: Panels: the losses of figure 5.1 of the graph-AFM thesis, Aalto University (see CITATION.cff).
_LOSSES = ("total", "position", "node", "edge")
_STYLES = {"train": ("training", "#1f77b4"), "val": ("validation", "#d62728")}


def read_curves(files: Sequence[str | Path]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Epochs and values of every column of the ``metrics.csv`` files of one run, which a run has one of each
    time that it was started; of an epoch run twice, the later counts.

    Raises:
        InputError: for files that are missing or no such tables.
    """
    found: dict[str, dict[float, float]] = {}
    for file in files:
        try:
            with open(file, encoding="utf-8", newline="") as opened:
                for row in csv.DictReader(opened):
                    for name, value in row.items():
                        if name not in ("epoch", "step") and value and row["epoch"]:
                            found.setdefault(name, {})[float(row["epoch"])] = float(value)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"files: expected learning curves in {file}, got: {error}") from None
    curves = {name: sorted(points.items()) for name, points in found.items()}
    return {name: (np.array([x for x, _ in p]), np.array([y for _, y in p])) for name, p in curves.items()}


def plot_curves(files: Sequence[str | Path]) -> Figure:
    """Training and validation loss and their parts against the epoch (the thesis, Fig. 5.1).

    Args:
        files: the ``metrics.csv`` files of one run.

    Raises:
        InputError: as :func:`read_curves`.
    """
    curves = read_curves(files)
    figure = Figure(figsize=(8, 5.5), layout="constrained")
    for axes, loss in zip(figure.subplots(2, 2).flat, _LOSSES, strict=True):
        for part, (label, color) in _STYLES.items():
            if f"{part}/{loss}" in curves:
                axes.plot(*curves[f"{part}/{loss}"], color=color, label=label, lw=1.2)
        axes.set(title=loss, xlabel="epoch", yscale="log")
        axes.grid(alpha=0.25, which="both")
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False)
    return figure


OURS, THEIRS = "#0072b2", "#bbbbbb"

#: Bars below this share (%) are drawn as if they had it.
_LEAST = 0.05


def plot_statistics(
    statistics: Mapping[str, Any],
    elements: Mapping[str, float],
    sizes: tuple[int, int],
    name: str = "thesis",
) -> Figure:
    """Left, the share of rotations that show an element above the cut, beside those of other data, on a
    logarithmic scale. Right, how many molecules have how many atoms.

    Args:
        statistics: what :func:`torch_afm.datasets.data_statistics` returns.
        elements: the other data's shares in %.
        sizes: the numbers of atoms that most of its molecules lie between.
        name: name of the other data.
    """
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    symbols = list(statistics["elements"])
    places = np.arange(len(symbols))
    here = [statistics["elements"][s] for s in symbols]
    there = [elements.get(s, 0.0) for s in symbols]
    for offset, shares, color, label in ((-0.2, here, OURS, "here"), (0.2, there, THEIRS, name)):
        bars = left.bar(places + offset, np.maximum(shares, _LEAST), 0.4, color=color, label=label)
        left.bar_label(bars, [f"{s:.0f}" if s >= 10 else f"{s:.1f}" for s in shares], fontsize=7, padding=1)
    left.set(xticks=places, xticklabels=symbols, yscale="log", ylim=(_LEAST, 250))
    left.set(ylabel="% of rotations", title=f"elements less than {-statistics['z_min']:g} Å below the top")
    left.legend(fontsize=8)

    numbers = [int(n) for n in statistics["sizes"]]
    right.bar(numbers, list(statistics["sizes"].values()), 0.9, color=OURS)
    right.axvspan(sizes[0] - 0.5, sizes[1] + 0.5, color=THEIRS, alpha=0.35, zorder=0, label=f"{name}: most")
    right.set(xlabel="atoms", ylabel="molecules", title=f"sizes of {statistics['molecules']:,} molecules")
    right.legend(fontsize=8)
    return figure
