"""A contact sheet of augmentations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.transforms import Augment, change_graphs, change_stacks
from torch_afm.utils import InputError, check_shape
from torch_afm.viz.graphs import draw_graph
from torch_afm.viz.stacks import draw_slice

#: Width of a panel in inches.
_PANEL = 1.35

#: The slice that is shown, 0 the farthest and 1 the nearest; the nearest never shifts.
FRACTION = 0.8


def plot_augmentations(tips: Tensor, graph: AFMData, scan: Scan, augment: Augment, seed: int = 0) -> Figure:
    """One slice of a stack under each augmentation, a row each, with a few draws side by side: other tips,
    every augmentation alone, all together with other tips. Where the frame changes, the atoms are drawn over
    the image, for they change with it.

    Args:
        tips: the stack in Hz, as rendered under several tips; there are as many draws. The first serves where
            the tip is not what changes.
        graph: the visible atoms.
        scan: the scan of the stacks.
        augment: the augmentations.
        seed: of the draws.

    Shapes:
        tips ``[N, C, Z, Y, X]``.

    Raises:
        InputError: for stacks that are not of this scan, or none.
    """
    check_shape("tips", tips, (None, None, *scan.shape))
    n = len(tips)
    if n == 0:
        raise InputError("tips: expected at least one stack, got none")
    one = tips[:1].expand_as(tips)
    rows = [("tip", tips, Augment((), ()))]
    rows += [(type(t).__name__, one, Augment((t,), ())) for t in augment.frame]
    rows += [(type(t).__name__, one, Augment((), (t,))) for t in augment.stack]
    rows.append(("all", tips, augment))
    figure = Figure(figsize=(_PANEL * n + 0.6, _PANEL * len(rows) + 0.2), layout="compressed")
    axes = figure.subplots(len(rows), n, squeeze=False)
    for k, ((name, stacks, only), panels) in enumerate(zip(rows, axes, strict=True)):
        _draw_row(panels, stacks, graph, scan, only, np.random.default_rng((seed, k)))
        panels[0].set_ylabel(name, fontsize=9)
    return figure


def _draw_row(
    panels: Sequence[Axes],
    stacks: Tensor,
    graph: AFMData,
    scan: Scan,
    augment: Augment,
    rng: np.random.Generator,
) -> None:
    final = augment.scan(scan)
    frame = [augment.draw_frame(scan, graph.pos.numpy(), rng) for _ in panels]
    steps = [augment.draw_stack(final.shape, rng) for _ in panels]
    images = change_stacks(stacks, frame, steps)[:, 0, round(FRACTION * (final.n_slices - 1))]
    graphs = [graph.clone() for _ in panels]
    change_graphs(graphs, scan, frame)
    for ax, image, changed in zip(panels, images.cpu().numpy(), graphs, strict=True):
        draw_slice(ax, image, final.x, final.y, 0.35 if augment.frame else 0.0)
        if augment.frame:
            draw_graph(ax, changed, final.window)
        ax.set(xticks=[], yticks=[])
