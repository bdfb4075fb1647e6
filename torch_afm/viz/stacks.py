"""Pictures of AFM stacks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from torch import Tensor

from torch_afm.data import AFMData
from torch_afm.io import AFMStack
from torch_afm.io.scans import PreparedScan, ScanStack
from torch_afm.utils import InputError, check_finite, check_shape

#: Lengths in Å of a scale bar.
_BARS = (0.5, 1, 2, 5, 10, 20, 50, 100)

#: Panels in one row of :func:`plot_stack`.
COLUMNS = 5


def plot_stack(
    stack: AFMStack | Tensor | np.ndarray,
    x: np.ndarray | None = None,
    y: np.ndarray | None = None,
    slices: Sequence[int] | None = None,
    title: str | None = None,
) -> Figure:
    """The slices of a stack, far to near, each on its own gray scale, whose ends stand above it.

    Args:
        stack: the stack in Hz; an :class:`~torch_afm.io.AFMStack` brings its own axes.
        x: pixel positions in Å; without them the axes count pixels.
        y: pixel positions in Å.
        slices: which slices, 0 the farthest, negative ones from the nearest; default all.
        title: title of the figure.

    Shapes:
        stack ``[C, Z, Y, X]`` or ``[Z, Y, X]``, x ``[X]``, y ``[Y]``. Each channel begins a new row.

    Raises:
        InputError: for a stack that is not finite or of another shape, axes that do not fit it, or a slice
            it does not have.
    """
    values, x, y, heights = _unpack(stack, x, y)
    n = values.shape[1]
    chosen = list(range(n)) if slices is None else [_index(s, n) for s in slices]
    columns = max(1, min(COLUMNS, len(chosen)))
    rows_each = math.ceil(len(chosen) / columns)
    rows = max(1, rows_each * len(values))
    figure = Figure(figsize=(0.5 + 2.1 * columns, 0.5 + 2.4 * rows), layout="compressed")
    if title:
        figure.suptitle(title)
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    unit = "pixel" if x is None else "Å"
    for c, channel in enumerate(values):
        for i, s in enumerate(chosen):
            row, column = c * rows_each + i // columns, i % columns
            ax = axes[row, column]
            ax.set_axis_on()
            draw_slice(ax, channel[s], x, y)
            height = "" if heights is None else f", z = {heights[s]:.2f} Å"
            ax.set_title(f"slice {s}{height}\n{scale_label(channel[s])}", fontsize=8)
            # The panel below is missing where the last row is not full.
            if i + columns >= len(chosen):
                ax.set_xlabel(f"x ({unit})", fontsize=8)
            if column == 0:
                ax.set_ylabel(f"y ({unit})", fontsize=8)
            ax.tick_params(labelsize=7, labelbottom=i + columns >= len(chosen), labelleft=column == 0)
    return figure


def draw_slice(
    ax: Axes, image: np.ndarray, x: np.ndarray | None = None, y: np.ndarray | None = None, fade: float = 0.0
) -> AxesImage:
    """Draw one slice as seen from the tip: x to the right, y upwards, its lowest Δf black, its highest white
    (gray all over where it has no contrast).

    Args:
        ax: where.
        image: the slice in Hz.
        x: pixel positions in Å (centers); without them pixels are counted.
        y: pixel positions in Å.
        fade: share of white mixed in, for something to be drawn over it.

    Shapes:
        image ``[Y, X]``, x ``[X]``, y ``[Y]``.
    """
    low, high = float(image.min()), float(image.max())
    if low == high:
        low, high = low - 1, high + 1
    (left, right), (bottom, top) = _edges(x, image.shape[1]), _edges(y, image.shape[0])
    return ax.imshow(
        image,
        cmap="gray",
        vmin=low,
        vmax=high,
        origin="lower",
        extent=(left, right, bottom, top),
        interpolation="nearest",
        alpha=1 - fade,
    )


def frame(ax: Axes, title: str, below: str) -> None:
    """Title and caption of an image panel, without ticks."""
    ax.set(xticks=[], yticks=[])
    ax.set_title(title, fontsize=9, pad=3)
    ax.set_xlabel(below, fontsize=8, labelpad=3)


def bar_length(width: float) -> float:
    """Length in Å of a scale bar of about a fifth of a width in Å."""
    return float(min(_BARS, key=lambda length: abs(length - width / 5)))


def draw_scale_bar(ax: Axes, window: tuple[tuple[float, float], tuple[float, float]]) -> None:
    """Draw a scale bar in the lower left of what ``ax`` shows, ``((x0, x1), (y0, y1))`` in Å."""
    (left, right), (bottom, top) = window
    length = bar_length(right - left)
    x, y = left + 0.05 * (right - left), bottom + 0.05 * (top - bottom)
    ax.plot([x, x + length], [y, y], color="white", linewidth=5, solid_capstyle="butt", zorder=9)
    ax.plot([x, x + length], [y, y], color="black", linewidth=2.5, solid_capstyle="butt", zorder=9)
    ax.annotate(
        f"{length:g} Å",
        (x, y),
        xytext=(0, 5),
        textcoords="offset points",
        fontsize=9,
        bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5},
        zorder=9,
    )


def window_around(
    stack: AFMStack, structures: Sequence[AFMData], margin: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The part ``((x0, x1), (y0, y1))`` in Å of what a stack shows that lies within ``margin`` Å of the atoms
    of structures; all of it where there are none."""
    sides = []
    for k, axis in enumerate((stack.x, stack.y)):
        at = [value for structure in structures for value in structure.pos[:, k].tolist()]
        low = max(float(axis[0]), min(at, default=-math.inf) - margin)
        high = min(float(axis[-1]), max(at, default=math.inf) + margin)
        sides.append((low, high) if low < high else (float(axis[0]), float(axis[-1])))
    return sides[0], sides[1]


def scale_label(image: np.ndarray, unit: str = "Hz") -> str:
    """What black and white stand for in a picture of ``image``."""
    low, high = signed(image.min()), signed(image.max())
    return f"{low} to {high} {unit}" if low != high else f"{low} {unit}"


def signed(value: float) -> str:
    """Two decimals, with a real minus sign and no negative zero."""
    text = f"{value:.2f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def _edges(positions: np.ndarray | None, n: int) -> tuple[float, float]:
    """Outer edges of the first and the last pixel, whose centers are the positions."""
    if positions is None:
        return -0.5, n - 0.5
    half = (positions[-1] - positions[0]) / (n - 1) / 2 if n > 1 else 0.5
    return float(positions[0] - half), float(positions[-1] + half)


def _unpack(
    stack: AFMStack | Tensor | np.ndarray, x: np.ndarray | None, y: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None, np.ndarray | None]:
    """Values ``[C, Z, Y, X]``, x, y and heights."""
    if isinstance(stack, AFMStack):
        return stack.stack, stack.x, stack.y, stack.z
    values = stack.detach().cpu().float().numpy() if isinstance(stack, Tensor) else np.asarray(stack)
    if values.ndim == 3:
        values = values[None]
    check_shape("stack", values, (None, None, None, None))
    check_finite("stack", values)
    if (x is None) != (y is None):
        raise InputError("x, y: expected both or neither, got one")
    if x is not None and y is not None:
        check_shape("x", x, (values.shape[3],))
        check_shape("y", y, (values.shape[2],))
    return values, x, y, None


def _index(s: int, n: int) -> int:
    if not -n <= s < n:
        raise InputError(f"slices: expected indices of {n} slices, got {s}")
    return s % n


def plot_preparation(prepared: PreparedScan) -> Figure:
    """Far, middle and near slice of the scan as it was read, above those that the model sees; and mean and
    contrast of all slices over height, before (gray) and after (blue)."""
    figure = Figure(figsize=(12, 6), layout="constrained")
    axes = figure.subplots(2, 4)
    for row, (name, stack) in enumerate((("as read", prepared.raw), ("prepared", prepared.stack))):
        n = len(stack.heights)
        for ax, s in zip(axes[row], (0, n // 2, n - 1), strict=False):
            _draw(ax, stack, s)
            frame(ax, f"{name}, slice {s + 1} of {n}", f"{stack.heights[s]:.2f} Å")
    for ax, what, function in ((axes[0, 3], "mean", np.nanmean), (axes[1, 3], "contrast", np.nanstd)):
        for stack, color in ((prepared.raw, "0.6"), (prepared.stack, "#0072b2")):
            there = np.isfinite(stack.values).any(axis=(1, 2))
            values = [function(s) for s in stack.values[there]]
            ax.plot(stack.heights[there], values, "o-", color=color, markersize=3)
        ax.set(title=f"{what} of the slices ({prepared.raw.unit})", xlabel="height (Å)")
        ax.title.set_size(9)
        ax.tick_params(labelsize=8)
    return figure


def _draw(ax: Axes, stack: ScanStack, s: int) -> None:
    image = stack.values[s]
    there = np.isfinite(image)
    draw_slice(ax, np.where(there, image, image[there].min() if there.any() else 0.0), stack.x, stack.y)
