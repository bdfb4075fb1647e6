"""What a session gives away: a picture, a stack, a structure."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from torch_afm.data import to_ase
from torch_afm.io import write_stack
from torch_afm.io.xyz import format_xyz
from torch_afm.live.drawing import DIVERGING, Panel, scale_length
from torch_afm.live.session import Session
from torch_afm.live.views import slice_panels
from torch_afm.utils import InputError
from torch_afm.viz import draw_graph

#: Slices of a picture at most.
_COLUMNS = 5


def export_png(session: Session) -> bytes:
    """A picture of up to five slices, far to near: scan, image and residual, each with a scale bar in Å and a
    color bar.

    Raises:
        InputError: where there is nothing to see.
    """
    count = session.n_slices
    chosen = sorted({round(i) for i in np.linspace(0, count - 1, min(count, _COLUMNS))})
    columns = [slice_panels(session, index) for index in chosen]
    if not columns[0]:
        raise InputError("png: expected a molecule or a scan, got neither")
    buffer = io.BytesIO()
    plot_panels(columns).savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()


def export_npz(session: Session) -> bytes:
    """The image of the molecule with every setting, else the scan as it was prepared, as
    :func:`torch_afm.io.write_stack` writes it.

    Raises:
        InputError: where there is neither.
    """
    stack = (
        session.image if session.image is not None or session.scan is None else session.scan.stack.afm_stack()
    )
    if stack is None:
        raise InputError("npz: expected a molecule or a scan, got neither")
    with tempfile.TemporaryDirectory(prefix="torch-afm-live-") as folder:
        path = Path(folder) / "stack.npz"
        write_stack(path, stack)
        return path.read_bytes()


def export_xyz(session: Session) -> bytes:
    """The molecule where it lies in the window, its charges as a fifth column.

    Raises:
        InputError: without a molecule.
    """
    setup = session.setup()
    if setup is None:
        raise InputError("xyz: expected a molecule, got none")
    return format_xyz(to_ase(setup.molecule)).encode()


def plot_panels(columns: Sequence[Sequence[Panel]]) -> Figure:
    """Panels as a figure, slice beside slice."""
    rows = len(columns[0])
    figure = Figure(figsize=(3.1 * len(columns), 2.9 * rows), layout="constrained")
    axes = figure.subplots(rows, len(columns), squeeze=False)
    for column, panels in zip(axes.T, columns, strict=True):
        for ax, panel in zip(column, panels, strict=True):
            _draw(ax, panel)
    return figure


def _draw(ax: Axes, panel: Panel) -> None:
    (x0, x1), (y0, y1) = panel.window
    low, high = panel.limits
    shown = ax.imshow(
        panel.image, cmap=panel.colors, vmin=low, vmax=high, origin="lower", extent=(x0, x1, y0, y1)
    )
    bar = ax.figure.colorbar(shown, ax=ax, shrink=0.9)
    bar.set_label(panel.unit, fontsize=7)
    bar.ax.tick_params(labelsize=6)
    if panel.graph is not None and panel.colors != DIVERGING:
        draw_graph(ax, panel.graph, panel.window, list(panel.ringed))
    length = scale_length(x1 - x0)
    left, thick = x0 + 0.04 * (x1 - x0), 0.015 * (y1 - y0)
    bottom = y0 + 0.04 * (y1 - y0)
    ax.add_patch(
        Rectangle((left, bottom), length, thick, facecolor="white", edgecolor="black", zorder=8, lw=0.4)
    )
    text = ax.text(left + length / 2, bottom + 2 * thick, f"{length:g} Å", ha="center", fontsize=7, zorder=8)
    text.set_bbox({"facecolor": "white", "alpha": 0.6, "linewidth": 0, "pad": 0.6})
    ax.set(xticks=[], yticks=[])
    ax.set_title(panel.title, fontsize=7)
