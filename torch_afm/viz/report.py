"""The report of one prediction: a page that opens without a network, and a picture."""

from __future__ import annotations

import base64
import io
import json
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke
from PIL import Image
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.elements import covalent_radius, symbol
from torch_afm.functional import normalize_slices
from torch_afm.io import AFMStack
from torch_afm.io.files import write_whole
from torch_afm.metrics import agreement
from torch_afm.utils import InputError, check_finite, check_shape
from torch_afm.viz.graphs import COLORS, OTHER, atom_radius, draw_graph, draw_rings
from torch_afm.viz.page import page_html, read_resource
from torch_afm.viz.stacks import draw_scale_bar, draw_slice, frame, signed, window_around

#: Words of the report that are not everybody's.
WORDS = (
    ("probability", "that there is an atom, of whatever element"),
    ("of the elements", "that it is of this element, if there is an atom; those of 0.05 and more"),
    ("±", "standard deviation of its position"),
    (
        "below the cut",
        "deeper than the network was taught to see (0.7 Å below the highest atom): context that "
        "images hint at, less sure than the rest",
    ),
    ("window", "part of the scan, as large as the network's images, that is looked at by itself"),
    ("support", "share of the other rotations of the scan in which the atom was found, too"),
)

#: Probability from which an element is named beside an atom, and of which an atom is not doubtful.
_NAMED, _SURE = 0.05, 0.9

#: Å around the structure that are shown of a wider scan.
_AROUND = 4.0

#: Standard deviations of a slice that the ends of the residual's colors stand for.
_RESIDUAL = 2.0


@dataclass(frozen=True)
class PredictionReport:
    """Everything that the report of a prediction shows.

    Args:
        title: heading.
        graph: the structure, with ``confidence``, ``class_probabilities`` and ``sigma`` where they are known,
            and ``bond_probability`` and ``bond_order`` of its bonds.
        context: atoms below the surface cut.
        reference: the stack that was looked at.
        simulated: stack of the structure.
        unit: of the reference; in others than Hz, slices are compared normalized.
        classes: what the class probabilities stand for, in their order.
        doubtful: atoms that may not be there.
        doubtful_elements: atoms that may be of another element.
        status: of the verdict, ``"explained"``, ``"not explained"`` or ``"not enough measured"``.
        headline: the verdict in a sentence.
        reasons: what speaks against it.
        summary: more of it.
        warnings: what may be wrong.
        log: what was done to the scan: name and text.
        settings: name and value.
        support: share of other predictions of the same scan that have each atom, where there are some.
        picture: a figure of the scan before and after.
        answers: a figure of several structures that the scan may show, where they were asked for.

    Shapes:
        simulated ``[Z, Y, X]``, support ``[N]``.
    """

    title: str
    graph: AFMData
    context: AFMData
    reference: AFMStack
    simulated: np.ndarray
    status: str
    headline: str
    classes: Sequence[str] = ()
    doubtful: Sequence[int] = ()
    doubtful_elements: Sequence[int] = ()
    reasons: Sequence[str] = ()
    summary: str = ""
    unit: str = "Hz"
    warnings: Sequence[str] = ()
    log: Sequence[tuple[str, str]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    support: Tensor | None = None
    picture: Figure | None = None
    answers: Figure | None = None

    def __post_init__(self) -> None:
        check_shape("simulated", self.simulated, self.reference.stack.shape[1:])
        check_finite("simulated", self.simulated)
        for name, part in (("graph", self.graph), ("context", self.context)):
            check_shape(f"{name}: pos", part.pos, (len(part.z), 3))
            check_finite(f"{name}: pos", part.pos)
        for name, atoms in (("doubtful", self.doubtful), ("doubtful_elements", self.doubtful_elements)):
            if any(not 0 <= i < len(self.graph.z) for i in atoms):
                raise InputError(f"{name}: expected indices of {len(self.graph.z)} atoms, got {list(atoms)}")
        if self.support is not None:
            check_shape("support", self.support, (len(self.graph.z),))


def write_report(path: str | Path, report: PredictionReport) -> None:
    """Write the report as one HTML file that needs no other and no network: the structure over the scan and
    the verdict; scan, image of the structure and their difference, slice by slice; other structures that it
    may be; bonds and atoms, also in three dimensions; what was done, and all settings.

    Raises:
        InputError: if the file cannot be written.
    """
    try:
        write_whole(Path(path), report_html(report).encode())
    except OSError as error:
        raise InputError(f"{path}: cannot write ({error.strerror})") from None


def report_html(report: PredictionReport) -> str:
    """The page as a text. Whatever it shows is escaped: texts are data, none is code."""
    data = json.dumps(_data(report), ensure_ascii=False, allow_nan=False)
    # Inside a script element only these could end it, or begin a comment.
    for character in "<>&\u2028\u2029":
        data = data.replace(character, f"\\u{ord(character):04x}")
    before, after = (
        read_resource("report.html").replace("__CODE__", read_resource("report.js")).split("__DATA__")
    )
    return page_html(report.title, before + data + after, "report.css", scripts=True)


def _data(report: PredictionReport) -> dict[str, Any]:
    stack, simulated = report.reference.stack[0].astype(np.float64), report.simulated.astype(np.float64)
    scores = agreement(*(_normalized(s) for s in (simulated, stack)))
    n = len(report.graph.z)
    atoms = _atoms(report.graph, report) + _atoms(report.context, report, deep=True)
    difference = _residual(report)
    colors = colormaps["RdBu_r"]
    axes = report.reference.x, report.reference.y
    pairs, units = zip(stack, simulated, strict=True), (report.unit, "Hz")
    half = [(axis[1] - axis[0]) / 2 if len(axis) > 1 else 0.5 for axis in axes]
    return {
        "subtitle": f"{formula(report.graph)}: {n} atoms, {report.graph.edge_index.size(1) // 2} bonds; "
        f"{len(report.context.z)} atoms below the surface cut",
        "sure": _SURE,
        "headline": report.headline,
        "summary": report.summary,
        "status": report.status,
        "reasons": list(report.reasons),
        "words": WORDS,
        "warnings": list(report.warnings),
        "log": [[str(k), str(v)] for k, v in report.log],
        "settings": [[str(k), _text(v)] for k, v in report.settings.items()],
        "atoms": atoms,
        "bonds": _bonds(report.graph, 0) + _bonds(report.context, n),
        "window": [[float(axis[0] - h), float(axis[-1] + h)] for axis, h in zip(axes, half, strict=True)],
        "z": report.reference.z.tolist(),
        "pearson": scores["pearson"],
        "ssim": scores["ssim"],
        "ranges": [[_ends(s, unit) for s, unit in zip(pair, units, strict=True)] for pair in pairs],
        "colors": [to_hex(colors(share)) for share in np.linspace(0, 1, 9)],
        "scan": [png_uri(_gray(s)) for s in stack],
        "simulated": [png_uri(_gray(s)) for s in simulated],
        "residual": [
            png_uri((255 * colors(np.clip(s / _RESIDUAL / 2 + 0.5, 0, 1))[..., :3]).astype(np.uint8))
            for s in difference
        ],
        "picture": None if report.picture is None else figure_uri(report.picture),
        "answers": None if report.answers is None else figure_uri(report.answers),
    }


def _atoms(graph: AFMData, report: PredictionReport, deep: bool = False) -> list[dict[str, Any]]:
    support = None if deep else report.support
    doubtful, elements = (() if deep else atoms for atoms in (report.doubtful, report.doubtful_elements))
    listed = []
    for i, z in enumerate(graph.z.tolist()):
        element, (x, y, height) = symbol(z), graph.pos[i].tolist()
        listed.append(
            {
                "element": element,
                "x": x,
                "y": y,
                "z": height,
                "r": covalent_radius(z),
                "color": COLORS.get(element, OTHER),
                "confidence": float(graph.confidence[i]) if "confidence" in graph else 1.0,
                "elements": _elements(graph, i, report.classes),
                "sigma": graph.sigma[i].tolist() if "sigma" in graph else None,
                "support": None if support is None else float(support[i]),
                "doubtful": i in doubtful,
                "element_doubtful": i in elements,
                "deep": deep,
            }
        )
    return listed


def _elements(graph: AFMData, i: int, classes: Sequence[str]) -> str:
    """The elements that an atom may be of, the most probable first."""
    if "class_probabilities" not in graph or not classes:
        return ""
    shares = sorted(zip(graph.class_probabilities[i].tolist(), classes, strict=True), reverse=True)
    return ", ".join(f"{name} {p:.2f}" for k, (p, name) in enumerate(shares) if k == 0 or p >= _NAMED)


def formula(graph: AFMData) -> str:
    """The atoms in Hill's order: carbon, hydrogen, the rest by the alphabet."""
    count = Counter(symbol(z) for z in graph.z.tolist())
    order = sorted(count, key=lambda name: (("C", "H").index(name) if name in ("C", "H") else 2, name))
    return "".join(f"{name}{count[name] if count[name] > 1 else ''}" for name in order) or "no atoms"


def _bonds(graph: AFMData, first: int) -> list[list[float | int | None]]:
    """Both ends, order and probability of each bond."""
    listed: list[list[float | int | None]] = []
    for k, (i, j) in enumerate(graph.edge_index.T.tolist()):
        if i < j:
            order = float(graph.bond_order[k]) if "bond_order" in graph else 1.0
            probability = float(graph.bond_probability[k]) if "bond_probability" in graph else None
            listed.append([i + first, j + first, order, probability])
    return listed


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _normalized(stack: np.ndarray) -> np.ndarray:
    return normalize_slices(torch.from_numpy(stack.astype(np.float64))).numpy()


def _residual(report: PredictionReport) -> np.ndarray:
    """Simulated less measured, slices normalized."""
    parts = (_normalized(s) for s in (report.simulated, report.reference.stack[0]))
    simulated, measured = parts
    return simulated - measured


def _ends(image: np.ndarray, unit: str) -> tuple[str, str]:
    """What black and white stand for."""
    return f"{signed(float(image.min()))} {unit}", f"{signed(float(image.max()))} {unit}"


def _gray(image: np.ndarray) -> np.ndarray:
    low, span = image.min(), np.ptp(image)
    return np.round(255 * (image - low) / span if span else np.full_like(image, 127.0)).astype(np.uint8)


def png_uri(image: np.ndarray) -> str:
    """A picture as a data address, its first line lowest.

    Args:
        image: gray values, or colors.

    Shapes:
        image ``[Y, X]`` or ``[Y, X, 3]`` uint8.
    """
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image[::-1])).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def figure_uri(figure: Figure) -> str:
    """A figure as a data address."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=90)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def plot_report(report: PredictionReport) -> Figure:
    """The report in a picture: the structure over the scan, its doubtful atoms ringed by dashes; the verdict;
    and near, middle and far slice of the scan, beside those of the structure's stack and their difference."""
    reference, simulated = report.reference, report.simulated
    figure = Figure(figsize=(13.5, 8.2), layout="constrained")
    figure.suptitle(textwrap.shorten(report.title, 110, placeholder="…"), fontsize=13, parse_math=False)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(5, 8))[0]
    window = (
        (float(reference.x[0]), float(reference.x[-1])),
        (float(reference.y[0]), float(reference.y[-1])),
    )
    above, below = left.subplots(2, 1, height_ratios=(5, 3))
    _draw_structure(above, report)
    below.set_axis_off()
    reasons = (f"– {reason}" for reason in report.reasons)
    lines = [report.headline, *reasons, report.summary, *(f"! {w}" for w in report.warnings)]
    text = "\n".join("\n".join(textwrap.wrap(line, 66)) for line in lines if line)
    below.text(0, 1, text, transform=below.transAxes, va="top", fontsize=9, parse_math=False)

    axes = right.subplots(3, 3)
    n = len(reference.z)
    difference = _residual(report)
    for row, (s, name) in zip(axes, ((n - 1, "near"), (n // 2, "middle"), (0, "far")), strict=True):
        pair = (_normalized(v[None]) for v in (simulated[s], reference.stack[0, s]))
        r = agreement(*pair)["pearson"][0]
        captions = (
            (f"scan, {name}", f"z = {signed(reference.z[s])} Å"),
            ("simulated", f"Pearson r {signed(r)}"),
        )
        images, units = (reference.stack[0, s], simulated[s]), (report.unit, "Hz")
        for ax, image, unit, caption in zip(row[:2], images, units, captions, strict=True):
            _draw_bar(ax, draw_slice(ax, image, reference.x, reference.y), unit)
            frame(ax, *caption)
        drawn = draw_slice(row[2], difference[s], reference.x, reference.y)
        drawn.set(cmap="RdBu_r", clim=(-_RESIDUAL, _RESIDUAL))
        _draw_bar(row[2], drawn, "σ of the slice")
        frame(row[2], "simulated − scan", "of normalized slices")
    draw_scale_bar(axes[0, 0], window)
    return figure


def _draw_structure(ax: Axes, report: PredictionReport) -> None:
    graph, context = report.graph, report.context
    window = window_around(report.reference, (graph, context), _AROUND)
    image = draw_slice(ax, report.reference.stack[0, -1], report.reference.x, report.reference.y)
    _draw_bar(ax, image, report.unit)
    draw_graph(ax, graph, window)
    pos, radius = graph.pos.numpy(), atom_radius(graph.z)
    lines = [f"{formula(graph)} over the scan at z = {signed(report.reference.z[-1])} Å"]
    if len(context.z):
        draw_rings(ax, context.pos.numpy(), 0.6 * atom_radius(context.z), "dotted")
        lines.append(f"dotted: {len(context.z)} atoms below the surface cut")
    if report.doubtful:
        there = list(report.doubtful)
        draw_rings(ax, pos[there], radius[there] + 0.1, "dashed")
        lines.append(f"dashed: {len(there)} atoms that may not be there")
    for i in report.doubtful_elements:
        x, y, _ = pos[i].tolist()
        text = f"{symbol(int(graph.z[i]))}?"
        outline = [withStroke(linewidth=2, foreground="white")]
        ax.text(x + radius[i], y + radius[i], text, fontsize=8, path_effects=outline, zorder=8)
    if report.doubtful_elements:
        lines.append(f"?: {len(report.doubtful_elements)} atoms of doubtful element")
    ax.set_title("\n".join(lines), fontsize=9)
    ax.set(xlabel="x (Å)", ylabel="y (Å)")
    draw_scale_bar(ax, window)


def _draw_bar(ax: Axes, image: AxesImage, label: str) -> None:
    """The color bar of a picture."""
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.85, pad=0.02)
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7)
