"""Molecule graphs in three dimensions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d import Axes3D

from torch_afm.data import AFMData
from torch_afm.elements import symbol
from torch_afm.utils import InputError, check_finite, check_shape
from torch_afm.viz.graphs import COLOURS, OTHER, Window, atom_radius

#: Least extent in Å that is shown along z, so that flat graphs look flat.
LEAST_DEPTH = 2.0

#: Width of what is shown in points: markers are sized in points, not in Å.
WIDTH = 150


def plot_graphs_3d(
    graphs: Mapping[str, AFMData],
    window: Window | None = None,
    elevation: float = 22.0,
    azimuth: float = -60.0,
) -> Figure:
    """Graphs side by side, obliquely from above, all in one frame and at one scale, so that heights can be
    compared: the 3-D views of the thesis' figure 5.7.

    Args:
        graphs: the graphs, by title; they may be empty.
        window: ``((x0, x1), (y0, y1))`` in Å; default what the atoms need.
        elevation: of the eye above the surface, in degrees.
        azimuth: of the eye around z, in degrees.

    Raises:
        InputError: for no graph, and for positions that are not finite or do not fit ``z``.
    """
    if not graphs:
        raise InputError("graphs: expected at least one, got none")
    for data in graphs.values():
        check_shape("pos", data.pos, (data.z.numel(), 3))
        check_finite("pos", data.pos)
    pos = np.concatenate([np.zeros((1, 3)), *(data.pos.double().numpy() for data in graphs.values())])
    if window is None:
        low, high = pos[:, :2].min(0) - 1.5, pos[:, :2].max(0) + 1.5
        window = (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))
    top = float(pos[:, 2].max()) + 0.5
    bottom = min(float(pos[:, 2].min()) - 0.5, top - LEAST_DEPTH)
    extent = np.array([window[0][1] - window[0][0], window[1][1] - window[1][0], top - bottom])

    figure = Figure(figsize=(4.2 * len(graphs), 3.0), layout="constrained")
    for i, (title, data) in enumerate(graphs.items()):
        ax = figure.add_subplot(1, len(graphs), i + 1, projection="3d", computed_zorder=False)
        ax.set(
            xlim=window[0], ylim=window[1], zlim=(bottom, top), xlabel="x (Å)", ylabel="y (Å)", zlabel="z (Å)"
        )
        ax.set_title(title, fontsize=10)
        ax.set_box_aspect(extent.tolist(), zoom=0.85)  # it changes an array
        ax.view_init(elevation, azimuth)
        ax.set_zticks(np.arange(np.ceil(bottom), top + 0.01))
        ax.tick_params(labelsize=7)
        _draw(ax, data, float(extent[:2].max()), elevation, azimuth)
    return figure


def _draw(ax: Axes3D, data: AFMData, width: float, elevation: float, azimuth: float) -> None:
    pos = data.pos.double().numpy()
    # What is nearer to the eye is drawn later.
    e, a = np.deg2rad([elevation, azimuth])
    near = pos @ np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
    for i, j in data.edge_index.T.tolist():
        if i < j:
            ax.plot(*pos[[i, j]].T, color="#666666", lw=3, zorder=10 + float(min(near[i], near[j])))
    for i, (z, radius) in enumerate(zip(data.z.tolist(), atom_radius(data.z), strict=True)):
        ax.plot(
            *pos[i, :, None],
            "o",
            ms=2 * radius * WIDTH / width,
            mfc=COLOURS.get(symbol(z), OTHER),
            mec="#1a1a1a",
            mew=0.8,
            zorder=10.01 + float(near[i]),
        )
