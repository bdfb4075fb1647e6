"""Pictures of what training data show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

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
    for offset, shares, colour, label in ((-0.2, here, OURS, "here"), (0.2, there, THEIRS, name)):
        bars = left.bar(places + offset, np.maximum(shares, _LEAST), 0.4, color=colour, label=label)
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
