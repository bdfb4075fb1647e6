"""Pictures for the page as SVG: slices with scale bar and color bar, and structures over them."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

import numpy as np
from matplotlib import colormaps
from PIL import Image

from torch_afm.data import AFMData
from torch_afm.elements import symbol
from torch_afm.viz.graphs import ACCENT, BAR_WIDTH, COLORS, DEEPEST, OTHER, atom_radius
from torch_afm.viz.stacks import signed

#: Color map of images, and of differences, whose zero is its middle.
GRAY, DIVERGING = "gray", "RdBu_r"

#: Parts of the width of a picture: the color bar with its numbers, the line above, the letters.
_BAR, _HEAD, _LETTER = 0.24, 0.09, 0.05

#: Lengths of scale bars: these times a power of ten, a third of the width at most.
_NICE = (1.0, 2.0, 5.0)

Window = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Panel:
    """One image of the page.

    Args:
        title: the line above it.
        image: its values.
        window: outer edges ``((x0, x1), (y0, y1))`` in Å.
        unit: of the values.
        colors: color map, gray or diverging.
        graph: a structure drawn over it.
        ringed: indices of its atoms that are ringed.
        mark: a place (x, y) in Å that is marked.

    Shapes:
        image ``[Y, X]``.
    """

    title: str
    image: np.ndarray
    window: Window
    unit: str = "Hz"
    colors: Literal["gray", "RdBu_r"] = "gray"
    graph: AFMData | None = None
    ringed: Sequence[int] = ()
    mark: tuple[float, float] | None = None

    @property
    def limits(self) -> tuple[float, float]:
        """Values of the ends of the color bar: the extremes, of differences with zero in the middle."""
        low, high = float(self.image.min()), float(self.image.max())
        if self.colors == DIVERGING:
            high = max(abs(low), abs(high))
            low = -high
        return low, high

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the picture in Å, bar and title with it."""
        (x0, x1), (y0, y1) = self.window
        side = max(x1 - x0, y1 - y0)
        return x1 - x0 + _BAR * side, y1 - y0 + _HEAD * side

    def place(self, across: float, down: float) -> tuple[float, float] | None:
        """The place (x, y) in Å of a point of the picture; ``None`` beside the image.

        Args:
            across: share of the width of the picture, from the left.
            down: share of its height, from the top.
        """
        (x0, x1), (y0, y1) = self.window
        width, height = self.size
        x, y = x0 + across * width, y0 + (1 - down) * height
        return (x, y) if x0 <= x <= x1 and y0 <= y <= y1 else None


def edges(x: np.ndarray, y: np.ndarray) -> Window:
    """Outer edges of pixels whose centers are at x and y in Å."""
    (a, b), (c, d) = (_edges(axis) for axis in (x, y))
    return (a, b), (c, d)


def _edges(axis: np.ndarray) -> tuple[float, float]:
    half = (axis[-1] - axis[0]) / (len(axis) - 1) / 2 if len(axis) > 1 else 0.5
    return float(axis[0] - half), float(axis[-1] + half)


def panel_svg(panel: Panel) -> str:
    """A panel as SVG: the image as the tip sees it, x to the right and y upwards, with a scale bar in Å and,
    at its side, the color bar with its numbers."""
    (x0, x1), (y0, y1) = panel.window
    wide, high = x1 - x0, y1 - y0
    side = max(wide, high)
    width, height = panel.size
    letter, head = _LETTER * side, _HEAD * side
    low, top = panel.limits
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.4f} {height:.4f}" class="panel">',
        f'<text x="0" y="{0.62 * head:.3f}" font-size="{letter:.3f}">{escape(panel.title)}</text>',
        f'<g transform="translate(0 {head:.4f})">',
        f'<image width="{wide:.4f}" height="{high:.4f}" preserveAspectRatio="none" '
        f'style="image-rendering:pixelated" href="{image_url(panel.image, low, top, panel.colors)}"/>',
        f'<svg width="{wide:.4f}" height="{high:.4f}" viewBox="0 0 {wide:.4f} {high:.4f}">',
        f'<g transform="translate({-x0:.4f} {y1:.4f})">',
    ]
    if panel.graph is not None:
        parts += _structure(panel.graph, panel.ringed)
    if panel.mark is not None:
        parts.append(_cross(*panel.mark, 0.03 * side))
    parts += [
        "</g></svg>",
        *_scale_bar(wide, high, letter),
        *_color_bar(panel, wide, high, side),
        "</g></svg>",
    ]
    return "".join(parts)


def image_url(image: np.ndarray, low: float, high: float, colors: str = GRAY) -> str:
    """An image as the URL of a PNG, its first row at the bottom.

    Args:
        image: the values.
        low: what has the first color.
        high: what has the last one.
        colors: color map.

    Shapes:
        image ``[Y, X]``.
    """
    span = high - low
    shares = np.full(image.shape, 0.5) if span <= 0 else np.clip((image - low) / span, 0, 1)
    picture = Image.fromarray(np.round(255 * shares[::-1]).astype(np.uint8))
    if colors != GRAY:
        picture = picture.convert("P")
        picture.putpalette(
            (255 * colormaps[colors](np.arange(256))[:, :3]).round().astype(np.uint8).tobytes()
        )
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def strip_svg(images: np.ndarray, chosen: int) -> str:
    """Slices side by side, small, each on its own gray scale, one of them framed.

    Args:
        images: the slices.
        chosen: number of the framed one.

    Shapes:
        images ``[Z, Y, X]``.
    """
    n, ny, nx = images.shape
    ratio = ny / nx
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {n} {ratio:.4f}" class="strip">']
    for i, image in enumerate(images):
        url = image_url(image, float(image.min()), float(image.max()))
        parts.append(
            f'<image x="{i + 0.02}" width="0.96" height="{ratio:.4f}" preserveAspectRatio="none" '
            f'href="{url}"/>'
        )
    parts.append(
        f'<rect x="{chosen + 0.02}" y="0.01" width="0.96" height="{ratio - 0.02:.4f}" fill="none" '
        f'stroke="{ACCENT}" stroke-width="0.04"/></svg>'
    )
    return "".join(parts)


def scale_length(width: float) -> float:
    """Length in Å of the scale bar of an image of some width: 1, 2 or 5 times a power of ten, the longest
    that takes no more than a third of it."""
    decade = 10.0 ** math.floor(math.log10(width / 3))
    return max(nice * decade for nice in _NICE if nice * decade <= width / 3 * (1 + 1e-9))


def _scale_bar(wide: float, high: float, letter: float) -> list[str]:
    length, margin = scale_length(wide), 0.5 * letter
    y = high - margin
    middle = margin + length / 2
    return [
        f'<g class="scale"><rect x="{margin:.3f}" y="{y - 0.25 * letter:.3f}" width="{length:.3f}" '
        f'height="{0.25 * letter:.3f}" fill="white" stroke="black" stroke-width="{0.05 * letter:.3f}"/>',
        f'<text x="{middle:.3f}" y="{y - 0.5 * letter:.3f}" font-size="{letter:.3f}" text-anchor="middle" '
        f'fill="white" stroke="black" stroke-width="{0.15 * letter:.3f}" paint-order="stroke">'
        f"{length:g} Å</text></g>",
    ]


def _color_bar(panel: Panel, wide: float, high: float, side: float) -> list[str]:
    low, top = panel.limits
    x, bar, letter = wide + 0.02 * side, 0.03 * side, 0.85 * _LETTER * side
    ramp = np.repeat(np.linspace(0.0, 1.0, 64)[:, None], 2, axis=1)
    parts = [
        f'<image x="{x:.3f}" y="0" width="{bar:.3f}" height="{high:.3f}" preserveAspectRatio="none" '
        f'href="{image_url(ramp, 0.0, 1.0, panel.colors)}"/>',
        f'<rect x="{x:.3f}" y="0" width="{bar:.3f}" height="{high:.3f}" fill="none" stroke="#444" '
        f'stroke-width="{0.1 * letter:.3f}"/>',
    ]
    for share, value in ((0.0, low), (0.5, (low + top) / 2), (1.0, top)):
        y = high * (1 - share) + letter * (0.75 * share - 0.15 * (1 - share))
        text = f"{_number(value, top - low)}{f' {panel.unit}' if share == 1 else ''}"
        parts.append(
            f'<text class="tick" x="{x + 1.4 * bar:.3f}" y="{y:.3f}" font-size="{letter:.3f}">'
            f"{escape(text)}</text>"
        )
    return parts


def _number(value: float, span: float) -> str:
    """A number of a color bar: two decimals, or three digits where these would say nothing."""
    return signed(value) if 0.05 <= span < 1000 else f"{value:.3g}".replace("-", "−")


def _structure(graph: AFMData, ringed: Sequence[int]) -> list[str]:
    """Atoms and bonds as :func:`torch_afm.viz.draw_graph` has them, with y upwards turned around."""
    pos = graph.pos.detach().cpu().double().numpy()
    if not len(pos):
        return []
    depth = np.clip(pos[:, 2].max() - pos[:, 2], 0, DEEPEST) / DEEPEST
    radius = atom_radius(graph.z) * (1 - 0.5 * depth)
    shown = 1 - 0.6 * depth
    parts = []
    for a, b in graph.edge_index.T.tolist() if "edge_index" in graph else ():
        if a < b:
            (ax, ay), (bx, by) = pos[a, :2], pos[b, :2]
            parts.append(
                f'<line x1="{ax:.3f}" y1="{-ay:.3f}" x2="{bx:.3f}" y2="{-by:.3f}" stroke="#666" '
                f'stroke-width="{BAR_WIDTH}" opacity="{min(shown[a], shown[b]):.2f}"/>'
            )
    names = [symbol(z) for z in graph.z.tolist()]
    for i in np.argsort(pos[:, 2], kind="stable").tolist():
        x, y, height = pos[i]
        line, thick = (ACCENT, 0.18) if i in ringed else ("#1a1a1a", 0.05)
        parts.append(
            f'<circle cx="{x:.3f}" cy="{-y:.3f}" r="{radius[i]:.3f}" opacity="{shown[i]:.2f}" '
            f'fill="{COLORS.get(names[i], OTHER)}" stroke="{line}" stroke-width="{thick}">'
            f"<title>{names[i]} {x:.2f}, {y:.2f}, {height:.2f} Å</title></circle>"
        )
    return parts


def _cross(x: float, y: float, half: float) -> str:
    lines = f"M{x - half:.3f} {-y:.3f}h{2 * half:.3f}M{x:.3f} {-y - half:.3f}v{2 * half:.3f}"
    return f'<path class="mark" d="{lines}" stroke="{ACCENT}" stroke-width="{0.2 * half:.3f}"/>'
