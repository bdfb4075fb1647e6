"""Pictures of molecule graphs, seen from the tip and in three dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, PatchCollection, PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D
from mpl_toolkits.mplot3d import Axes3D
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.elements import covalent_radius, symbol
from torch_afm.utils import InputError, check_finite, check_shape

#: CPK-like colors from the color-blind-safe set of Okabe and Ito, with its tints; other elements are pink.
COLORS = {
    "H": "#ffffff",
    "C": "#4d4d4d",
    "N": "#0072b2",
    "O": "#d55e00",
    "F": "#9fdcc8",
    "Si": "#d9c2a3",
    "P": "#e69f00",
    "S": "#f0e442",
    "Cl": "#009e73",
    "Br": "#8c4a2f",
    "I": "#5d3a9b",
}
OTHER = "#cc79a7"

#: Color of what stands out: the newest atom, a missing atom.
ACCENT = "#cc3311"

#: Depth in Å from which on atoms are drawn smallest and palest.
DEEPEST = 1.5

#: Width of a bond, and what is shown around the atoms, in Å.
BAR_WIDTH, MARGIN = 0.16, 1.5

Window = tuple[tuple[float, float], tuple[float, float]]


def plot_graph(data: AFMData, window: Window | None = None) -> Figure:
    """A figure of a molecule graph; :func:`draw_graph` says how it is drawn.

    Args:
        data: the graph, which may be empty.
        window: ``((x0, x1), (y0, y1))`` in Å; default what the atoms need.

    Raises:
        InputError: for positions that are not finite or do not fit ``z``.
    """
    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    ax = figure.subplots()
    draw_graph(ax, data, window or _window(data))
    ax.set(xlabel="x (Å)", ylabel="y (Å)")
    return figure


def draw_graph(ax: Axes, data: AFMData, window: Window, new_atoms: Sequence[int] = ()) -> None:
    """Draw a molecule graph as the tip sees it, over whatever ``ax`` shows: x to the right, y upwards. An
    atom is the smaller and the paler, the deeper it lies below z = 0 (or below the top atom, where that is
    higher); bonds are bars, two or three where ``bond_order`` says so, and a shorter second one where it is
    aromatic; elements other than H and C are named.

    Args:
        ax: where to draw.
        data: the graph, which may be empty.
        window: ``((x0, x1), (y0, y1))`` in Å.
        new_atoms: indices of atoms to ring.

    Raises:
        InputError: for positions that are not finite or do not fit ``z``.
    """
    ax.set(xlim=window[0], ylim=window[1], aspect="equal")
    pos = data.pos.detach().cpu().double().numpy()
    check_shape("pos", pos, (data.z.numel(), 3))
    check_finite("pos", pos)
    if not len(pos):
        return
    names = [symbol(z) for z in data.z.tolist()]
    depth = np.clip(max(0.0, pos[:, 2].max()) - pos[:, 2], 0, DEEPEST) / DEEPEST
    radius = atom_radius(data.z) * (1 - 0.5 * depth)
    shades = np.array([to_rgb(COLORS.get(name, OTHER)) for name in names])
    shades += (1 - shades) * 0.65 * depth[:, None]
    order = np.argsort(pos[:, 2], kind="stable")

    ax.add_collection(_bars(data, pos), autolim=False)
    circles = _circles(ax, pos[order], radius[order], facecolors=shades[order], edgecolors="#1a1a1a")
    circles.set(linewidth=0.8, zorder=4)
    letters = [_letters(names[i], pos[i], radius[i], shades[i]) for i in order if names[i] not in ("H", "C")]
    ax.add_collection(PatchCollection(letters, match_original=True, zorder=5), autolim=False)
    new = list(new_atoms)
    if new:
        draw_rings(ax, pos[new], radius[new] + 0.18)


def draw_rings(ax: Axes, pos: np.ndarray, radius: np.ndarray, style: str = "solid") -> None:
    """Ring places in Å, positions ``[K, 2 or 3]``, with circles of radius ``[K]`` in Å."""
    rings = _circles(ax, pos, radius, facecolors="none", edgecolors=ACCENT, linestyles=style)
    rings.set(linewidth=1.6, zorder=6)


def atom_radius(z: Tensor) -> np.ndarray:
    """Radius in Å at which an atom is drawn at the top, for each atomic number."""
    return np.array([0.2 + 0.28 * covalent_radius(int(n)) for n in z])


def _circles(ax: Axes, pos: np.ndarray, radius: np.ndarray, **style: Any) -> EllipseCollection:
    """Circles whose size is in Å, as their place is."""
    circles = EllipseCollection(
        2 * radius,
        2 * radius,
        np.zeros(len(radius)),
        units="xy",
        offsets=pos[:, :2],
        offset_transform=ax.transData,
        **style,
    )
    ax.add_collection(circles, autolim=False)
    return circles


def _bars(data: AFMData, pos: np.ndarray) -> PolyCollection:
    """Each bond as bars, deep ones first. In Å, so that bars keep their proportion to the atoms."""
    edges = data.edge_index.cpu().numpy()
    once = np.flatnonzero(edges[0] < edges[1])
    orders = data.bond_order.cpu().numpy()[once] if "bond_order" in data else np.ones(len(once))
    a, b = edges[:, once]
    corners = []
    for k in np.argsort(pos[a, 2] + pos[b, 2], kind="stable"):
        start, along = pos[a[k], :2], pos[b[k], :2] - pos[a[k], :2]
        side = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9)
        for offset, width, cut in _lines(float(orders[k])):
            ends = start + offset * side + cut * along, start + offset * side + (1 - cut) * along
            half = width / 2 * side
            corners.append([ends[0] - half, ends[0] + half, ends[1] + half, ends[1] - half])
    return PolyCollection(corners, facecolors="#666666", edgecolors="white", linewidths=0.4, zorder=3)


def _lines(order: float) -> list[tuple[float, float, float]]:
    """Offset and width in Å of the bars of a bond, and the share that is cut off at both ends."""
    if order < 1.2:
        return [(0.0, BAR_WIDTH, 0.0)]
    thin = 0.6 * BAR_WIDTH
    if order < 1.7:
        return [(0.0, thin, 0.0), (1.1 * BAR_WIDTH, thin, 0.25)]
    if order < 2.5:
        return [(side * 0.5 * BAR_WIDTH, thin, 0.0) for side in (-1, 1)]
    return [(side * 0.9 * BAR_WIDTH, thin, 0.0) for side in (-1, 0, 1)]


def _letters(name: str, pos: np.ndarray, radius: float, color: np.ndarray) -> PathPatch:
    """An element's symbol that fills its circle, dark on light and light on dark."""
    path = TextPath((0, 0), name, size=1, prop=FontProperties(weight="bold"))
    box = path.get_extents()
    scale = 1.15 * radius / np.hypot(box.width, box.height)
    centered = Affine2D().translate(-(box.x0 + box.x1) / 2, -(box.y0 + box.y1) / 2)
    move = centered.scale(scale).translate(*pos[:2])
    ink = "black" if color @ (0.299, 0.587, 0.114) > 0.5 else "white"
    return PathPatch(move.transform_path(path), facecolor=ink, edgecolor="none")


def _window(data: AFMData) -> Window:
    """A square around the atoms."""
    if not data.z.numel():
        return (-MARGIN, MARGIN), (-MARGIN, MARGIN)
    low, high = data.pos[:, :2].amin(0), data.pos[:, :2].amax(0)
    (x, y), half = ((low + high) / 2).tolist(), float((high - low).max()) / 2 + MARGIN
    return (x - half, x + half), (y - half, y + half)


#: Smallest extent in Å that is shown along z, so that flat graphs look flat.
MIN_DEPTH = 2.0

#: Width of what is shown in points: markers are sized in points, not in Å.
WIDTH = 150

#: Place of the eye above the surface and around z, in degrees.
ELEVATION, AZIMUTH = 22.0, -60.0


def plot_graphs_3d(graphs: Mapping[str, AFMData]) -> Figure:
    """Graphs side by side, obliquely from above, all in one frame and at one scale, so that heights can be
    compared, as in figure 5.7 of the graph-AFM thesis, Aalto University (see CITATION.cff).

    Args:
        graphs: the graphs, by title; they may be empty.

    Raises:
        InputError: for no graph, and for positions that are not finite or do not fit ``z``.
    """
    if not graphs:
        raise InputError("graphs: expected at least one, got none")
    for data in graphs.values():
        check_shape("pos", data.pos, (data.z.numel(), 3))
        check_finite("pos", data.pos)
    pos = np.concatenate([np.zeros((1, 3)), *(data.pos.double().numpy() for data in graphs.values())])
    low, high = pos[:, :2].min(0) - MARGIN, pos[:, :2].max(0) + MARGIN
    window = (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))
    top = float(pos[:, 2].max()) + 0.5
    bottom = min(float(pos[:, 2].min()) - 0.5, top - MIN_DEPTH)
    extent = np.array([window[0][1] - window[0][0], window[1][1] - window[1][0], top - bottom])

    figure = Figure(figsize=(4.2 * len(graphs), 3.0), layout="constrained")
    for i, (title, data) in enumerate(graphs.items()):
        ax = figure.add_subplot(1, len(graphs), i + 1, projection="3d", computed_zorder=False)
        ax.set(
            xlim=window[0], ylim=window[1], zlim=(bottom, top), xlabel="x (Å)", ylabel="y (Å)", zlabel="z (Å)"
        )
        ax.set_title(title, fontsize=10)
        ax.set_box_aspect(extent.tolist(), zoom=0.85)  # it changes an array
        ax.view_init(ELEVATION, AZIMUTH)
        ax.set_zticks(np.arange(np.ceil(bottom), top + 0.01))
        ax.tick_params(labelsize=7)
        _draw_3d(ax, data, float(extent[:2].max()))
    return figure


def _draw_3d(ax: Axes3D, data: AFMData, width: float) -> None:
    pos = data.pos.double().numpy()
    # What is nearer to the eye is drawn later.
    e, a = np.deg2rad([ELEVATION, AZIMUTH])
    near = pos @ np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
    for i, j in data.edge_index.T.tolist():
        if i < j:
            ax.plot(*pos[[i, j]].T, color="#666666", lw=3, zorder=10 + float(min(near[i], near[j])))
    for i, (z, radius) in enumerate(zip(data.z.tolist(), atom_radius(data.z), strict=True)):
        ax.plot(
            *pos[i, :, None],
            "o",
            ms=2 * radius * WIDTH / width,
            mfc=COLORS.get(symbol(z), OTHER),
            mec="#1a1a1a",
            mew=0.8,
            zorder=10.01 + float(near[i]),
        )
