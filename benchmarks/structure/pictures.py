"""The figures of ``docs/structure_metrics.md``: what the features are, and the distances that
``benchmarks.structure.water`` found.

    python -m benchmarks.structure.pictures
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc, Circle

from benchmarks.common import RESULTS

FIGURES = Path(__file__).parents[2] / "docs" / "figures"
COLORS = {"O": "#d1402f", "H": "#e8e8e8", "hidden": "#c9b3b0", "Au": "#e3b341", "probe": "#9bbbd6"}
RADII = {"O": 0.34, "H": 0.2, "hidden": 0.34, "Au": 0.5}
MODELS = ("pure", "handcrafted", "style", "hybrid")


def atom(ax: Axes, kind: str, x: float, y: float, label: str = "") -> None:
    ax.add_patch(Circle((x, y), RADII[kind], facecolor=COLORS[kind], edgecolor="k", lw=0.8, zorder=3))
    ax.text(x, y, label, ha="center", va="center", fontsize=8, zorder=4)


def line(ax: Axes, a: tuple, b: tuple, text: str = "", style: str = "-", shift: tuple = (0, 0.28)) -> None:
    ax.plot([a[0], b[0]], [a[1], b[1]], style, color="k", lw=1.2, zorder=2)
    middle = (a[0] + b[0]) / 2 + shift[0], (a[1] + b[1]) / 2 + shift[1]
    ax.text(*middle, text, ha="center", va="center", fontsize=8)


def arc(ax: Axes, at: tuple, start: float, end: float, size: float, text: str) -> None:
    ax.add_patch(Arc(at, size, size, theta1=start, theta2=end, color="#2b6cb0", lw=1.4, zorder=5))
    middle = np.radians((start + end) / 2)
    place = at[0] + 0.8 * size * np.cos(middle), at[1] + 0.8 * size * np.sin(middle)
    ax.text(*place, text, color="#2b6cb0", ha="center", va="center", fontsize=8)


def water(ax: Axes, x: float, y: float, turn: float, kind: str = "O") -> None:
    """A water whose hydrogens lie 52° either side of ``turn`` degrees."""
    for side in (-52, 52):
        angle = np.radians(turn + side)
        h = x + 0.85 * np.cos(angle), y + 0.85 * np.sin(angle)
        line(ax, (x, y), h)
        atom(ax, "H", *h)
    atom(ax, kind, x, y, "O")


def panel(ax: Axes, title: str, x: tuple[float, float], y: tuple[float, float]) -> None:
    ax.set(xlim=x, ylim=y, aspect="equal")
    ax.set_title(title, fontsize=9)
    ax.axis("off")


def distances(ax: Axes) -> None:
    panel(ax, "d_OO, d_OH, H-O-H", (-1.6, 4.4), (-1.8, 1.8))
    water(ax, 0, 0, 180)
    water(ax, 2.8, 0, 0)
    line(ax, (0, 0), (2.8, 0), "d_OO", ":")
    ax.text(2.9, 0.62, "d_OH", fontsize=8, ha="right")
    arc(ax, (0, 0), 128, 232, 1.1, "H-O-H")


def hydrogen_bond(ax: Axes) -> None:
    panel(ax, "hydrogen bond: (d_OO, O-H-O)", (-1.2, 4.4), (-1.8, 1.8))
    h = (1.0, -0.5)
    line(ax, (0, 0), h)
    line(ax, h, (2.8, 0), "", ":")
    line(ax, (0, 0), (2.8, 0), "d_OO", "--")
    arc(ax, h, 16, 153, 0.9, "")
    ax.text(1.0, -0.95, "O-H-O", color="#2b6cb0", ha="center", fontsize=8)
    atom(ax, "H", *h)
    atom(ax, "O", 0, 0, "D")
    water(ax, 2.8, 0, 0)


def free_bond(ax: Axes) -> None:
    panel(ax, "θ_ZOH of a free O-H", (-1.8, 4.2), (-1.2, 2.4))
    line(ax, (0, 0), (0, 1.9), "z", "--", (0.2, 0.95))
    line(ax, (0, 0), (0.55, 0.8))
    line(ax, (0, 0), (1.0, -0.1))
    line(ax, (1.0, -0.1), (2.8, 0), "donated: not free", ":", (0, -0.75))
    arc(ax, (0, 0), 55, 90, 1.7, "θ")
    atom(ax, "H", 0.55, 0.8)
    atom(ax, "H", 1.0, -0.1)
    atom(ax, "O", 0, 0, "O")
    water(ax, 2.8, 0, 0)


def tetrahedron(ax: Axes) -> None:
    panel(ax, "S_g: angles ψ;  S_k: lengths r", (-2.6, 2.6), (-1.9, 1.9))
    corners = [(0.0, 1.5), (-1.7, -0.5), (1.7, -0.5), (0.25, -1.4)]
    for k, corner in enumerate(corners):
        line(ax, (0, 0), corner, f"r{'₁₂₃₄'[k]}", shift=(0.22, 0.16))
        atom(ax, "O", *corner)
    arc(ax, (0, 0), 90, 196, 0.9, "ψ₁₂")
    atom(ax, "O", 0, 0, "O")


def shells(ax: Axes) -> None:
    r = np.array([2.7, 2.8, 2.9, 3.0, 3.45, 4.05, 4.3])
    panel(ax, "d5 and LSI: gaps Δ between neighbors", (2.5, 4.6), (-0.7, 0.7))
    ax.set_aspect("auto")
    ax.axhline(0, color="k", lw=1)
    ax.plot(r, 0 * r, "o", color=COLORS["O"], markeredgecolor="k")
    ax.axvline(3.7, color="#2b6cb0", ls="--", lw=1)
    ax.text(3.7, 0.58, "3.7 Å", color="#2b6cb0", fontsize=8, ha="center")
    ax.annotate("d5", (3.45, 0), (3.45, 0.35), fontsize=8, ha="center", arrowprops={"arrowstyle": "->"})
    for a, b, y in [*zip(r[:4], r[1:5], [-0.2] * 4, strict=True), (3.45, 4.05, -0.2)]:
        ax.annotate("", (b, y), (a, y), arrowprops={"arrowstyle": "<->", "lw": 0.7})
    ax.text(3.76, -0.45, "last gap: usual form only", fontsize=7)
    ax.text(4.55, -0.12, "r", fontsize=8)


def visibility(ax: Axes) -> None:
    panel(ax, "visible: depth, and shadow of a probe", (-3.2, 5.2), (-3.9, 2.6))
    for x in np.arange(-2.6, 5.0, 1.3):
        atom(ax, "Au", x, -3.2)
    ax.add_patch(Circle((0.2, 1.55), 0.9, facecolor=COLORS["probe"], edgecolor="k", lw=0.8))
    ax.text(0.2, 1.55, "probe", ha="center", va="center", fontsize=8)
    water(ax, 0, 0, 200)
    water(ax, 2.6, -0.2, -20)
    for kind, x, y, text in (
        ("O", -2.3, -1.0, ""),
        ("hidden", 0.6, -1.4, "in the shadow"),
        ("hidden", 2.8, -2.3, "too deep"),
    ):
        atom(ax, kind, x, y, "O")
        ax.text(x + 0.45, y, text, fontsize=7, va="center")
    ax.axhline(-1.85, color="#2b6cb0", ls="--", lw=1)
    ax.text(5.1, -1.7, "top - 3 Å", color="#2b6cb0", fontsize=8, ha="right")


def features() -> Figure:
    figure = Figure(figsize=(9, 5.2), layout="constrained")
    draw = (distances, hydrogen_bond, free_bond, tetrahedron, shells, visibility)
    for ax, function in zip(figure.subplots(2, 3).flat, draw, strict=True):
        function(ax)
    return figure


def conclusions() -> Figure:
    """Distances with their intervals and the floor, by feature and conventions."""
    rows = json.loads((RESULTS / "structure_water.json").read_text(encoding="utf-8"))["rows"]
    rows = [row for row in rows if row["part"] == "conventions"]
    names = list(dict.fromkeys(row["feature"] for row in rows))
    conventions = list(dict.fromkeys(row["conventions"] for row in rows))
    figure = Figure(figsize=(9, 5.2), layout="constrained")
    for ax, name in zip(figure.subplots(2, 3).flat, names, strict=True):
        for m, model in enumerate(MODELS):
            some = [
                r for r in rows if r["feature"] == name and r["model"] == model and r["value"] is not None
            ]
            x = np.array([conventions.index(r["conventions"]) for r in some]) + 0.15 * (m - 1.5)
            ends = np.array([r["interval"] for r in some]).reshape(-1, 2)
            ax.vlines(x, *ends.T, color=f"C{m}", lw=1)
            ax.plot(x, [r["value"] for r in some], "o", ms=4, color=f"C{m}", label=model)
        floors = [
            next(r["floor"] for r in rows if (r["feature"], r["conventions"]) == (name, c))
            for c in conventions
        ]
        for i, floor in enumerate(floors):
            if floor is not None:
                ax.hlines(floor, i - 0.35, i + 0.35, color="k", lw=0.8, ls=":")
        ax.set_title(name, fontsize=9)
        ax.set_xticks(range(len(conventions)), [c.replace(", ", ",\n") for c in conventions], fontsize=7)
        ax.set_ylim(0)
        ax.tick_params(axis="y", labelsize=7)
    figure.axes[0].legend(fontsize=7)
    figure.supylabel("exact Wasserstein distance, normalized (dotted: theory against itself)", fontsize=8)
    return figure


def main() -> None:
    FIGURES.mkdir(parents=True, exist_ok=True)
    for name, make in (("structure_features", features), ("structure_conclusions", conclusions)):
        make().savefig(FIGURES / f"{name}.png", dpi=110)
        print(f"docs/figures/{name}.png")


if __name__ == "__main__":
    main()
