"""Several answers to what a scan shows, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from torch_afm.data import AFMData
from torch_afm.io import AFMStack
from torch_afm.viz.graphs import draw_graph
from torch_afm.viz.stacks import draw_scale_bar, draw_slice, frame, window_around

#: Answers in a row.
_COLUMNS = 4


#: Å around the structures that are shown of a wider scan.
_AROUND = 3.0


def plot_answers(reference: AFMStack, structures: Sequence[AFMData], weights: Sequence[float]) -> Figure:
    """Structures over the nearest slice of a scan, each with its probability.

    Args:
        reference: the scan.
        structures: the answers, the most probable first.
        weights: their probabilities, given that one of them is right.
    """
    columns = min(max(len(structures), 1), _COLUMNS)
    rows = max(-(-len(structures) // columns), 1)
    figure = Figure(figsize=(3.1 * columns, 3.4 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    window = window_around(reference, structures, _AROUND)
    for k, (ax, structure, weight) in enumerate(zip(axes, structures, weights, strict=False), start=1):
        draw_slice(ax, reference.stack[0, -1], reference.x, reference.y, 0.35)
        draw_graph(ax, structure, window)
        draw_scale_bar(ax, window)
        frame(ax, f"{k}: probability {weight:.2f}", f"{len(structure.z)} atoms")
    for ax in axes[len(structures) :]:
        ax.set_axis_off()
    return figure
