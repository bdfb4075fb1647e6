"""The report of one prediction: a page that opens without a network, and a picture."""

from __future__ import annotations

import base64
import html
import io
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.elements import covalent_radius, symbol
from torch_afm.functional import normalize_slices
from torch_afm.io import AFMStack
from torch_afm.io.files import write_whole
from torch_afm.metrics import agreement
from torch_afm.utils import InputError, check_finite, check_shape
from torch_afm.viz.graphs import COLORS, OTHER, draw_graph
from torch_afm.viz.stacks import draw_slice, frame, scale_label, signed

#: Words of the report that are not everybody's.
WORDS = (
    ("probability", "that there is an atom, of whatever element"),
    ("of the element", "that it is of this element, if there is one"),
    ("±", "standard deviation of its position"),
    (
        "below the cut",
        "deeper than the network was taught to see (0.7 Å below the highest atom): context that "
        "images hint at, less sure than the rest",
    ),
    ("window", "part of the scan, as large as the network's images, that is looked at by itself"),
    ("support", "share of the other rotations of the scan in which the atom was found, too"),
)

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
        status: of the verdict, ``"explained"``, ``"not explained"`` or ``"not enough measured"``.
        headline: the verdict in a sentence.
        reasons: what speaks against it.
        summary: more of it.
        warnings: what may be wrong.
        log: what was done to the scan: name and text.
        settings: name and value.
        support: share of other predictions of the same scan that have each atom, where there are some.
        picture: a figure of the scan before and after.

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
    reasons: Sequence[str] = ()
    summary: str = ""
    unit: str = "Hz"
    warnings: Sequence[str] = ()
    log: Sequence[tuple[str, str]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    support: Tensor | None = None
    picture: Figure | None = None

    def __post_init__(self) -> None:
        check_shape("simulated", self.simulated, self.reference.stack.shape[1:])
        check_finite("simulated", self.simulated)
        for name, part in (("graph", self.graph), ("context", self.context)):
            check_shape(f"{name}: pos", part.pos, (len(part.z), 3))
            check_finite(f"{name}: pos", part.pos)
        if self.support is not None:
            check_shape("support", self.support, (len(self.graph.z),))


def write_report(path: str | Path, report: PredictionReport) -> None:
    """Write the report as one HTML file that needs no other and no network: the structure in a view that
    turns, the scan and its re-simulation slice by slice, the atoms, what was done, all settings.

    Raises:
        InputError: if the file cannot be written.
    """
    try:
        write_whole(Path(path), report_html(report).encode())
    except OSError as error:
        raise InputError(f"{path}: cannot write ({error.strerror})") from None


def report_html(report: PredictionReport) -> str:
    """The page as a text. Whatever it shows is escaped: texts are data, none is code."""
    template = resources.files("torch_afm.viz").joinpath("resources/report.html").read_text(encoding="utf-8")
    data = json.dumps(_data(report), ensure_ascii=False, allow_nan=False)
    # Inside a script element only these could end it, or begin a comment.
    for character in "<>&\u2028\u2029":
        data = data.replace(character, f"\\u{ord(character):04x}")
    before, after = template.replace("__TITLE__", html.escape(report.title)).split("__DATA__")
    return before + data + after


def _data(report: PredictionReport) -> dict[str, Any]:
    stack, simulated = report.reference.stack[0].astype(np.float64), report.simulated.astype(np.float64)
    scores = agreement(*(_normalized(s) for s in (simulated, stack)))
    n = len(report.graph.z)
    atoms = _atoms(report.graph, False, report.support) + _atoms(report.context, True, None)
    difference = _residual(report)
    colors = colormaps["RdBu_r"]
    axes = report.reference.x, report.reference.y
    pairs, units = zip(stack, simulated, strict=True), (report.unit, "Hz")
    half = [(axis[1] - axis[0]) / 2 if len(axis) > 1 else 0.5 for axis in axes]
    return {
        "subtitle": f"{n} atoms, {report.graph.edge_index.size(1) // 2} bonds, {len(report.context.z)} atoms "
        "below the surface cut",
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
        "ranges": [[scale_label(s, unit) for s, unit in zip(pair, units, strict=True)] for pair in pairs],
        "scan": [png_uri(_gray(s)) for s in stack],
        "simulated": [png_uri(_gray(s)) for s in simulated],
        "residual": [
            png_uri((255 * colors(np.clip(s / _RESIDUAL / 2 + 0.5, 0, 1))[..., :3]).astype(np.uint8))
            for s in difference
        ],
        "picture": None if report.picture is None else figure_uri(report.picture),
    }


def _atoms(graph: AFMData, deep: bool, support: Tensor | None) -> list[dict[str, Any]]:
    listed = []
    for i, z in enumerate(graph.z.tolist()):
        element, (x, y, height) = symbol(z), graph.pos[i].tolist()
        classes = graph.class_probabilities[i] if "class_probabilities" in graph else None
        listed.append(
            {
                "element": element,
                "x": x,
                "y": y,
                "z": height,
                "r": covalent_radius(z),
                "color": COLORS.get(element, OTHER),
                "confidence": float(graph.confidence[i]) if "confidence" in graph else 1.0,
                "element_probability": None if classes is None else float(classes.max()),
                "sigma": graph.sigma[i].tolist() if "sigma" in graph else None,
                "support": None if support is None else float(support[i]),
                "deep": deep,
            }
        )
    return listed


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


def _whole(report: PredictionReport) -> AFMData:
    """The structure with its atoms below the cut."""
    parts = report.graph, report.context
    edges = torch.cat([parts[0].edge_index, parts[1].edge_index + len(parts[0].z)], dim=1)
    z, pos = (torch.cat([part[key] for part in parts]) for key in ("z", "pos"))
    return AFMData(z=z, pos=pos, edge_index=edges)


def plot_report(report: PredictionReport) -> Figure:
    """The report in a picture: far, middle and near slice of the scan, above those of the structure's stack
    and their difference; the structure over the nearest slice; and the verdict."""
    reference, simulated = report.reference, report.simulated
    figure = Figure(figsize=(12.5, 7.6), layout="constrained")
    figure.suptitle(textwrap.shorten(report.title, 110, placeholder="…"), fontsize=13, parse_math=False)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(3, 2))[0]
    axes = left.subplots(3, 3)
    n = len(reference.z)
    difference = _residual(report)
    for column, (s, name) in enumerate(zip((0, n // 2, n - 1), ("far", "middle", "near"), strict=True)):
        measured = reference.stack[0, s]
        draw_slice(axes[0, column], measured, reference.x, reference.y)
        frame(
            axes[0, column],
            f"scan, {name}",
            f"z = {signed(reference.z[s])} Å, {scale_label(measured, report.unit)}",
        )
        draw_slice(axes[1, column], simulated[s], reference.x, reference.y)
        pair = (_normalized(v[None]) for v in (simulated[s], measured))
        r = agreement(*pair)["pearson"][0]
        frame(axes[1, column], "simulated", f"Pearson r {signed(r)}, {scale_label(simulated[s])}")
        ends = _RESIDUAL
        axes[2, column].imshow(difference[s], cmap="RdBu_r", vmin=-ends, vmax=ends, origin="lower")
        frame(axes[2, column], "simulated − scan", "of normalized slices, ± 2")
    window = (
        (float(reference.x[0]), float(reference.x[-1])),
        (float(reference.y[0]), float(reference.y[-1])),
    )
    above, below = right.subplots(2, 1, height_ratios=(3, 1))
    draw_slice(above, reference.stack[0, -1], reference.x, reference.y, 0.35)
    draw_graph(above, _whole(report), window)
    deep = len(report.context.z)
    pale = f"\n{deep} atoms below the cut: small and pale" if deep else ""
    above.set(xlabel="x (Å)", ylabel="y (Å)", title=f"structure over the nearest slice{pale}")
    below.set_axis_off()
    reasons = (f"– {reason}" for reason in report.reasons)
    lines = [report.headline, *reasons, report.summary, *(f"! {w}" for w in report.warnings)]
    text = "\n".join("\n".join(textwrap.wrap(line, 62)) for line in lines if line)
    below.text(0, 1, text, transform=below.transAxes, va="top", fontsize=9, parse_math=False)
    return figure
