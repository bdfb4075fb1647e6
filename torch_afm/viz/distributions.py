"""Pictures of structure features: their distributions, and all distances at one glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from torch_afm.metrics.distributions import Comparison
from torch_afm.metrics.structure import FEATURES
from torch_afm.utils import InputError

_BINS = 40
#: Points of a joint distribution drawn at most of each set: more only hide each other.
MAX_POINTS = 3000

_Features = Sequence[Mapping[str, np.ndarray]]


def plot_distributions(predictions: Mapping[str, _Features], reference: _Features) -> Figure:
    """One panel a feature: histograms of the reference (gray) and of each set of predictions (lines), each of
    area 1; of joint features, the values as points.

    Args:
        predictions: name of the predictions -> what
            :func:`torch_afm.metrics.structure.structure_features` returns of them.
        reference: the same of the reference.

    Raises:
        InputError: for a reference without structures or features.
    """
    names = list(reference[0]) if len(reference) else []
    if not names:
        raise InputError("reference: expected at least one structure with a feature, got none")
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(3.6 * columns, 2.8 * rows + 0.4), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for name, ax in zip(names, panels, strict=False):
        sets = {label: np.concatenate([part[name] for part in parts]) for label, parts in predictions.items()}
        there = np.concatenate([part[name] for part in reference])
        feature = FEATURES[name]
        draw = _draw_joint if len(feature.ranges) == 2 else _draw_line
        draw(ax, sets, there)
        axes = [
            f"{label} ({unit})" if unit else label
            for label, unit in zip(feature.labels, feature.units, strict=True)
        ]
        ax.set(xlabel=axes[0], ylabel=axes[1] if len(axes) == 2 else "density")
        ax.set_title(feature.title, fontsize=9)
    for ax in list(figure.axes)[len(names) :]:
        ax.remove()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def _draw_line(ax: Axes, sets: Mapping[str, np.ndarray], there: np.ndarray) -> None:
    values = np.concatenate([there, *sets.values()])
    bins = (np.histogram_bin_edges(values, _BINS) if len(values) else np.linspace(0, 1, _BINS + 1)).tolist()
    if len(there):
        ax.hist(there, bins, density=True, color="0.6", alpha=0.6, label="reference")
    for i, (label, shown) in enumerate(sets.items()):
        if len(shown):
            ax.hist(shown, bins, density=True, histtype="step", color=f"C{i}", lw=1.3, label=label)


def _draw_joint(ax: Axes, sets: Mapping[str, np.ndarray], there: np.ndarray) -> None:
    colors = ["0.6", *(f"C{i}" for i in range(len(sets)))]
    for color, (label, values) in zip(colors, {"reference": there, **sets}.items(), strict=True):
        shown = values[np.random.default_rng(0).permutation(len(values))[:MAX_POINTS]]
        ax.scatter(shown[:, 0], shown[:, 1], s=6, alpha=0.5, color=color, linewidths=0, label=label)


def plot_radar(comparisons: Mapping[str, Comparison], distance: str = "wasserstein") -> Figure:
    """Normalized distances of every feature from the reference on spokes, one polygon for each set of
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
