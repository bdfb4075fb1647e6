"""Distances of many features at one glance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from torch_afm.metrics.distributions import Comparison
from torch_afm.utils import InputError


def plot_radar(comparisons: Mapping[str, Comparison], distance: str = "wasserstein") -> Figure:
    """Normalised distances of every feature from the reference on spokes, one polygon for each set of
    predictions: the smaller, the better. A dashed polygon is the floor, the distance between two halves of
    the reference; bars are intervals. Features without values on a side are left out.

    Args:
        comparisons: name of the predictions -> their comparison, all with the same features and reference.
        distance: which one.

    Raises:
        InputError: for nothing to draw.
    """
    found = {
        label: {
            name: feature["distances"][distance]["normalized"]
            for name, feature in comparison.features.items()
            if distance in feature["distances"]
        }
        for label, comparison in comparisons.items()
    }
    candidates = next(iter(found.values()), {})
    spokes = [n for n in candidates if all(numbers[n]["value"] is not None for numbers in found.values())]
    if not spokes:
        raise InputError(f"comparisons: expected features with a {distance} distance, got none")
    angles = np.linspace(0, 2 * np.pi, len(spokes), endpoint=False)
    figure = Figure(figsize=(6.5, 5), layout="constrained")
    ax = figure.add_subplot(projection="polar")
    for i, (label, numbers) in enumerate(found.items()):
        values = np.array([numbers[name]["value"] for name in spokes])
        ax.plot([*angles, angles[0]], [*values, values[0]], "o-", color=f"C{i}", ms=4, lw=1.5, label=label)
        for angle, name in zip(angles, spokes, strict=True):
            if numbers[name]["interval"] is not None:
                ax.plot([angle, angle], numbers[name]["interval"], color=f"C{i}", lw=3, alpha=0.35)
    floors = [candidates[name]["floor"] for name in spokes]
    if None not in floors:
        ax.plot([*angles, angles[0]], [*floors, floors[0]], "k--", lw=1, label="floor (reference in halves)")
    ax.set_xticks(angles, spokes)
    ax.set_ylim(0, None)
    ax.tick_params(axis="y", labelsize=7)
    ax.set_title(f"normalized {distance} distance", fontsize=10, pad=16)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure
