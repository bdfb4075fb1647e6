"""Several answers to what a scan shows, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from torch_afm.data import AFMData
from torch_afm.io import AFMStack
from torch_afm.viz.graphs import draw_graph
from torch_afm.viz.stacks import draw_slice

#: Answers in a row.
_COLUMNS = 4


def plot_answers(reference: AFMStack, structures: Sequence[AFMData], weights: Sequence[float]) -> Figure:
    """Structures over the nearest slice of a scan, each with its weight.

    Args:
        reference: the scan.
        structures: the answers, the most probable first.
        weights: their probabilities.
    """
    n = max(len(structures), 1)
    columns = min(n, _COLUMNS)
    rows = -(-n // columns)
    figure = Figure(figsize=(3.1 * columns, 3.4 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    window = (
        (float(reference.x[0]), float(reference.x[-1])),
        (float(reference.y[0]), float(reference.y[-1])),
    )
    for k, (ax, structure, weight) in enumerate(zip(axes, structures, weights, strict=False), start=1):
        draw_slice(ax, reference.stack[0, -1], reference.x, reference.y, 0.35)
        draw_graph(ax, structure, window)
        ax.set_title(f"{k}: weight {weight:.2f}, {len(structure.z)} atoms", fontsize=9)
    for ax in axes[len(structures) :]:
        ax.set_axis_off()
    return figure
