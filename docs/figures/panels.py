"""What the scripts of the figures share: flat molecules, their images, panels, and writing a picture."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from PIL import Image

from torch_afm.config import ForceField, Scan, Tip
from torch_afm.data import AFMData, from_smiles
from torch_afm.io import AFMStack
from torch_afm.live.drawing import edges, scale_length
from torch_afm.ppm import FDBM, ProbeParticleModel, anchor_height
from torch_afm.transforms import Orient, flat_rotation
from torch_afm.viz import draw_graph

#: The window of most figures: 16 x 16 Å.
SCAN = Scan(pixels=(128, 128))

#: Perylenetetracarboxylic dianhydride (PTCDA), and a naphthol with a chlorine.
PTCDA = "O=C1OC(=O)c2ccc3c4ccc5C(=O)OC(=O)c6ccc(c7ccc1c2c37)c4c56"
CHLORONAPHTHOL = "Oc1ccc2ccccc2c1Cl"

#: Inches of a panel, and dots an inch.
PANEL, DPI = 2.6, 90


def lay_flat(molecule: AFMData) -> AFMData:
    """A molecule with its mean plane parallel to the surface, its top atom at z = 0."""
    return Orient(flat_rotation(molecule.pos.numpy()))(molecule)


def flat(smiles: str) -> AFMData:
    """The same of a SMILES."""
    return lay_flat(from_smiles(smiles))


def render(
    molecule: AFMData,
    scan: Scan = SCAN,
    tip: Tip | None = None,
    forcefield: ForceField | FDBM | None = None,
    nearer: float = 0.0,
    dipoles: bool = True,
) -> AFMStack:
    """The stack of a molecule, so many Å nearer than ``torch-afm simulate`` images it."""
    ppm = ProbeParticleModel(scan, tip or Tip(), forcefield=forcefield, dipoles=dipoles)
    z_top = float(anchor_height(molecule, scan, ppm.tip)) - nearer
    stack = ppm(molecule, z_top=z_top)[0].numpy()
    return AFMStack(stack, scan.x, scan.y, scan.slice_heights(z_top))


def panels(rows: int, columns: int, height: float = PANEL) -> tuple[Figure, np.ndarray]:
    """A figure of panels for :func:`draw`, and their axes ``[rows, columns]``."""
    figure = Figure(figsize=(PANEL * columns, height * rows), layout="compressed")
    return figure, figure.subplots(rows, columns, squeeze=False)


def draw(
    ax: Axes,
    image: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    title: str = "",
    unit: str = "Hz",
    limits: tuple[float, float] | None = None,
    graph: AFMData | None = None,
) -> None:
    """An image with its scale bar and color bar; a structure over it, where one is given, takes the place of
    the color bar. With limits around zero it is a difference, in red and blue.

    Shapes:
        image ``[Y, X]``, x ``[X]``, y ``[Y]``.
    """
    window = edges(x, y)
    low, high = limits or (float(image.min()), float(image.max()))
    shown = ax.imshow(
        image,
        cmap="RdBu_r" if low == -high else "gray",
        vmin=low,
        vmax=high,
        origin="lower",
        extent=(*window[0], *window[1]),
        alpha=1.0 if graph is None else 0.5,
    )
    ax.set(xticks=[], yticks=[], xlim=window[0], ylim=window[1])
    ax.set_title(title, fontsize=10)
    if graph is not None:
        draw_graph(ax, graph, window)
    elif ax.figure is not None:
        bar = ax.figure.colorbar(shown, ax=ax, shrink=0.8, aspect=14, pad=0.02)
        bar.ax.set_title(unit, fontsize=9)
        bar.ax.tick_params(labelsize=9)
    draw_scale(ax)


def draw_scale(ax: Axes) -> None:
    """A scale bar at the lower left of what ``ax`` shows."""
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    length, x, y = scale_length(x1 - x0), x0 + 0.05 * (x1 - x0), y0 + 0.05 * (y1 - y0)
    white = [withStroke(linewidth=5, foreground="white")]
    ax.plot(
        [x, x + length], [y, y], color="black", lw=2.5, solid_capstyle="butt", path_effects=white, zorder=9
    )
    ax.annotate(
        f"{length:g} Å",
        (x + length / 2, y),
        (0, 4),
        textcoords="offset points",
        ha="center",
        fontsize=9,
        zorder=9,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )


def save(picture: Figure | Image.Image, script: str) -> Path:
    """Write the PNG beside a script: 256 colors, which keeps it small."""
    if isinstance(picture, Figure):
        buffer = io.BytesIO()
        picture.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.05)
        picture = Image.open(buffer)
    path = Path(script).with_suffix(".png")
    method, dither = Image.Quantize.MAXCOVERAGE, Image.Dither.NONE
    colors = picture.convert("RGB").quantize(256, method=method, kmeans=2, dither=dither)
    colors.save(path, optimize=True)
    return path
