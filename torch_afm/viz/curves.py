"""Learning curves."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from torch_afm.utils import InputError

#: Panels: the losses of the thesis' Fig. 5.1.
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
