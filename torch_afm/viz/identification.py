"""Which molecule a scan shows, in a picture."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

from torch_afm.data import AFMData
from torch_afm.elements import symbol
from torch_afm.functional import normalize_slices, remove_slope
from torch_afm.io import AFMStack
from torch_afm.utils import InputError, check_finite, check_shape
from torch_afm.viz.graphs import COLORS, OTHER, Window, atom_radius, draw_graph
from torch_afm.viz.stacks import draw_scale_bar, frame, signed

#: Candidates that are drawn, and those that are listed.
_DRAWN, _LISTED = 3, 8

#: Standard deviations of a slice that the ends of the colors of what is left stand for.
RESIDUAL = 2.0

#: Inches of a line of the verdict, and of a row of the table.
_LINE, _ROW = 0.25, 0.27

#: Å around the molecules that are shown of a wider scan.
_AROUND = 4.0


@dataclass(frozen=True)
class ReportedPose:
    """A candidate where it lies best.

    Args:
        name: of the molecule.
        smiles: its SMILES; empty where it is not known.
        probability: that it is the one that the scan shows.
        evidence: logarithm of how well it explains the scan, up to a constant.
        pearson: Pearson's r of its image with each slice.
        atoms: where they lie in the scan.
        simulated: its image in Hz.

    Shapes:
        pearson ``[Z]``, simulated ``[Z, Y, X]``.
    """

    name: str
    smiles: str
    probability: float
    evidence: float
    pearson: np.ndarray
    atoms: AFMData
    simulated: np.ndarray


@dataclass(frozen=True)
class IdentificationReport:
    """Everything that the report of an identification shows.

    Args:
        title: heading.
        reference: the scan.
        poses: the candidates that were fitted, the best first.
        none: probability that the scan shows none of the candidates.
        others: names of the candidates that were not fitted, the best first.
        sure: whether one of the candidates is the answer, and nothing speaks against it.
        headline: the verdict in a sentence.
        reasons: what speaks against the best candidate.
        meaning: what it means.
        warnings: what may be wrong.
        log: what was done to the scan: name and text.
        settings: name and value.
        picture: a figure of the scan before and after.
    """

    title: str
    reference: AFMStack
    poses: Sequence[ReportedPose]
    none: float
    others: Sequence[str]
    sure: bool
    headline: str
    reasons: Sequence[str] = ()
    meaning: str = ""
    warnings: Sequence[str] = ()
    log: Sequence[tuple[str, str]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    picture: Figure | None = None

    def __post_init__(self) -> None:
        if not self.poses:
            raise InputError("poses: expected one or more, got none")
        for pose in self.poses:
            check_shape("simulated", pose.simulated, self.reference.stack.shape[1:])
            check_finite("simulated", pose.simulated)

    @property
    def window(self) -> Window:
        """The part of the scan that is worth showing: around the molecules that are drawn, and not beyond
        the scan."""
        pos = torch.cat([pose.atoms.pos[:, :2] for pose in self.poses[:_DRAWN]]).double().numpy()
        sides = []
        for axis, at in zip((self.reference.x, self.reference.y), pos.T, strict=True):
            low, high = max(axis[0], at.min() - _AROUND), min(axis[-1], at.max() + _AROUND)
            sides.append((float(low), float(high)) if low < high else (float(axis[0]), float(axis[-1])))
        return sides[0], sides[1]


def compared(stack: np.ndarray) -> np.ndarray:
    """Slices as they were compared: without their planes, of mean zero and unit variance.

    Shapes:
        stack ``[Z, Y, X]``, result the same.
    """
    return normalize_slices(remove_slope(torch.from_numpy(stack.astype(np.float64)))).numpy()


def plot_identification(report: IdentificationReport) -> Figure:
    """The nearest slice of the scan, that of the images of the best candidates, with their atoms and bonds,
    and what is left of the scan, on one scale; the scan beneath the best structure; and the candidates in a
    table."""
    shown = report.poses[:_DRAWN]
    width = 1.2 + 3.0 * (1 + len(shown))
    words = _verdict_lines(report, width)
    rows = min(len(report.poses), _LISTED) + 2
    room = _LINE * len(words) / (_LINE * len(words) + _ROW * rows)
    height = (_LINE * len(words) + _ROW * rows) / 0.95
    figure = Figure(figsize=(width, 7.0 + height), layout="constrained")
    figure.suptitle(_shortened(report.title, 110), fontsize=13, parse_math=False)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(7.0, height))[:, 0]
    axes = above.subplots(2, 1 + len(shown), squeeze=False)
    scan = compared(report.reference.stack[0])[-1]
    ends = float(scan.min()), float(scan.max())
    measured = _draw(axes[0, 0], report, scan, "gray", ends)
    frame(axes[0, 0], "scan, nearest slice", f"z = {signed(report.reference.z[-1])} Å")
    draw_scale_bar(axes[0, 0], report.window)
    for rank, (pose, column) in enumerate(zip(shown, axes[:, 1:].T, strict=True), start=1):
        image = compared(pose.simulated)[-1]
        _draw(column[0], report, image, "gray", ends)
        _outline(column[0], pose.atoms)
        frame(column[0], "", f"probability {pose.probability:.2f}, r {signed(pose.pearson[-1])}")
        column[0].set_title(f"{rank}. {_shortened(pose.name, 30)}", fontsize=9, pad=3, parse_math=False)
        left = _draw(column[1], report, image - scan, "RdBu_r", (-RESIDUAL, RESIDUAL))
        frame(column[1], "simulated − scan", "")
    _draw(axes[1, 0], report, scan, "gray", ends, alpha=0.65)
    draw_graph(axes[1, 0], shown[0].atoms, report.window)
    frame(axes[1, 0], "the best structure over the scan", "")
    above.colorbar(measured, ax=axes[0], label="Δf (standard deviations)", shrink=0.8)
    above.colorbar(left, ax=axes[1], label="difference (standard deviations)", shrink=0.8)
    ax = below.subplots()
    for i, line in enumerate(words):
        y, weight = 1 - room * i / len(words), "normal" if line.startswith(("– ", "  ")) else "bold"
        ax.text(0, y, line, transform=ax.transAxes, va="top", fontsize=10, weight=weight, parse_math=False)
    _draw_table(ax, report, 1 - room)
    return figure


def _draw(
    ax: Axes,
    report: IdentificationReport,
    image: np.ndarray,
    colors: str,
    ends: tuple[float, float],
    alpha: float = 1.0,
) -> AxesImage:
    x, y = report.reference.x, report.reference.y
    half = [(axis[1] - axis[0]) / 2 if len(axis) > 1 else 0.5 for axis in (x, y)]
    extent = (x[0] - half[0], x[-1] + half[0], y[0] - half[1], y[-1] + half[1])
    low, high = ends
    drawn = ax.imshow(image, cmap=colors, vmin=low, vmax=high, origin="lower", extent=extent, alpha=alpha)
    ax.set(xlim=report.window[0], ylim=report.window[1])
    return drawn


def _outline(ax: Axes, atoms: AFMData) -> None:
    """Bonds and rings around atoms, through which the image is seen."""
    pos = atoms.pos[:, :2].double().numpy()
    bonds = [pos[[i, j]] for i, j in atoms.edge_index.T.tolist() if i < j]
    ax.add_collection(LineCollection(bonds, colors="#00e5ff", linewidths=1.1, alpha=0.9), autolim=False)
    for place, radius, z in zip(pos, atom_radius(atoms.z), atoms.z.tolist(), strict=True):
        ax.add_patch(Circle(place, 0.6 * radius, fill=False, edgecolor=outline_color(z), linewidth=1.1))
        if z not in (1, 6):
            outline = [withStroke(linewidth=1.5, foreground="white")]
            x, y = place.tolist()
            ax.text(x, y, symbol(z), ha="center", va="center", fontsize=7, path_effects=outline)


def outline_color(z: int) -> str:
    """Color of an element's ring over a gray image: carbon, which is gray, is blue."""
    return "#00e5ff" if z == 6 else COLORS.get(symbol(z), OTHER)


def _verdict_lines(report: IdentificationReport, width: float) -> list[str]:
    """The verdict, and what speaks against it, in lines for a figure so many inches wide."""
    n = round(11 * width)
    lines = textwrap.wrap(report.headline, n)
    for reason in report.reasons:
        lines += textwrap.wrap(f"– {reason}", n, subsequent_indent="  ")
    return lines


def _draw_table(ax: Axes, report: IdentificationReport, height: float) -> None:
    """The candidates, in the lower part of ``ax``."""
    ax.set_axis_off()
    cells = [
        [
            str(rank),
            _shortened(pose.name, 60),
            f"{pose.probability:.3f}",
            f"{pose.evidence:.1f}",
            f"{float(np.mean(pose.pearson)):.3f}",
        ]
        for rank, pose in enumerate(report.poses[:_LISTED], start=1)
    ]
    cells.append(["–", "none of these", f"{report.none:.3f}", "", ""])
    heading = ["rank", "candidate", "probability", "evidence", "r, mean of the slices"]
    table = ax.table(
        cells,
        colLabels=heading,
        colWidths=[0.06, 0.5, 0.13, 0.13, 0.18],
        cellLoc="left",
        colLoc="left",
        edges="horizontal",
        bbox=Bbox.from_bounds(0, 0, 1, height),
    )
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    for cell in table.get_celld().values():
        cell.get_text().set_parse_math(False)
        cell.set_linewidth(0.5)


def _shortened(text: str, n: int) -> str:
    return text if len(text) <= n else f"{text[: n - 1]}…"
