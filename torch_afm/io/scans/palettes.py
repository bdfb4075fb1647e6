"""Pictures in the colors of a palette, mapped back to gray values."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.spatial import cKDTree

from torch_afm.utils import InputError

#: Palettes of matplotlib, from its own tables.
_MATPLOTLIB = (
    "gray",
    "viridis",
    "inferno",
    "plasma",
    "magma",
    "cividis",
    "hot",
    "afmhot",
    "copper",
    "bone",
    "gist_heat",
)

#: Palettes by name: positions from 0 to 1, red, green and blue from 0 to 1, linear between. Those that begin
#: with "Gwyddion" are the files of Gwyddion's folder data/gradients, in which 0 is the lowest value.
#: "Nanonis" is nanonisMap of NanoLib (github.com/ethz-micro/matlab_nanonis), the colors of its scan window.
_PALETTES: dict[str, Sequence[Sequence[float]]] = {
    "Nanonis": (
        (0, 8 / 255, 3 / 255, 4 / 255),
        (17 / 63, 124 / 255, 48 / 255, 68 / 255),
        (29 / 63, 194 / 255, 47 / 255, 47 / 255),
        (39 / 63, 222 / 255, 126 / 255, 29 / 255),
        (49 / 63, 227 / 255, 192 / 255, 27 / 255),
        (58 / 63, 232 / 255, 232 / 255, 232 / 255),
        (1, 1, 1, 1),
    ),
    "Gwyddion Gwyddion.net": (
        (0, 0, 0, 0),
        (0.344671, 0.658824, 0.156863, 0.0588235),
        (0.687075, 0.953506, 0.759686, 0.363821),
        (1, 1, 1, 1),
    ),
    "Gwyddion Gold": (
        (0, 0, 0, 0),
        (0.333333, 0.345098, 0.109804, 0),
        (0.666667, 0.737255, 0.501961, 0),
        (1, 0.988235, 0.988235, 0.501961),
    ),
    "Gwyddion Warm": (
        (0, 0, 0, 0),
        (0.25, 0.484848, 0.188417, 0.266572),
        (0.45, 0.76, 0.1824, 0.1824),
        (0.6, 0.87, 0.495587, 0.1131),
        (0.75, 0.89, 0.751788, 0.1068),
        (0.9, 0.90909, 0.909091, 0.90909),
        (1, 1, 1, 1),
    ),
    "Gwyddion Cold": (
        (0, 0, 0, 0),
        (0.3, 0.168223, 0.27335, 0.488636),
        (0.5, 0.196294, 0.404327, 0.606061),
        (0.7, 0.3388, 0.673882, 0.77),
        (0.9, 0.90909, 0.909091, 0.90909),
        (1, 1, 1, 1),
    ),
    "Gwyddion Body": (
        (0, 0, 0, 0),
        (0.2, 0.492424, 0.3037, 0.136994),
        (0.4, 0.74902, 0.280947, 0.117493),
        (0.6, 0.880909, 0.563001, 0.482738),
        (0.8, 1, 0.855548, 0.603922),
        (1, 1, 1, 1),
    ),
    "Gwyddion Sky": (
        (0, 0, 0, 0),
        (0.2, 0.149112, 0.160734, 0.396078),
        (0.4, 0.294641, 0.391785, 0.466667),
        (0.6, 0.792157, 0.476975, 0.245413),
        (0.8, 0.988235, 0.826425, 0.333287),
        (1, 1, 1, 1),
    ),
    "Gwyddion Spring": (
        (0, 0, 0, 0),
        (0.25, 0.059669, 0.380392, 0.293608),
        (0.5, 0.084395, 0.65098, 0.025529),
        (0.75, 0.758756, 0.85098, 0.560646),
        (1, 1, 1, 1),
    ),
    "Gwyddion Caribbean": (
        (0, 0, 0, 0),
        (0.2, 0, 0.114118, 0.221569),
        (0.4, 0, 0.365817, 0.47),
        (0.6, 0, 0.564, 0.43898),
        (0.8, 0.296904, 0.8, 0.0752),
        (1, 1, 1, 1),
    ),
    "Gwyddion Halcyon": (
        (0, 0, 0, 0),
        (0.25, 0.010442, 0.010442, 0.380392),
        (0.375, 0.611, 0.200762, 0.424466),
        (0.5, 1, 0.321569, 0.321569),
        (0.625, 1, 0.585822, 0.322),
        (0.75, 1, 0.911834, 0.423529),
        (1, 1, 1, 1),
    ),
    "Gwyddion Rust": (
        (0, 0, 0, 0),
        (0.286765, 0.5, 0.26634, 0.009804),
        (0.430147, 0.785, 0.480598, 0.005131),
        (0.573529, 1, 0.652, 0),
        (0.714052, 1, 0.803444, 0.268),
        (0.854575, 1, 1, 0.709804),
        (1, 1, 1, 1),
    ),
    "Gwyddion NT-MDT": (
        (0, 0.168627, 0.0901961, 0.133333),
        (0.0874751, 0.32549, 0.152941, 0.141176),
        (0.178926, 0.458824, 0.231373, 0.137255),
        (0.270378, 0.6, 0.321569, 0.141176),
        (0.363817, 0.72549, 0.403922, 0.145098),
        (0.455268, 0.858824, 0.482353, 0.180392),
        (0.550696, 1, 0.576471, 0.321569),
        (0.640159, 0.996078, 0.654902, 0.443137),
        (0.735586, 1, 0.752941, 0.584314),
        (0.829026, 1, 0.827451, 0.721569),
        (0.916501, 1, 0.921569, 0.854902),
        (1, 1, 1, 0.992157),
    ),
    "Gwyddion Pm3d": (
        (0, 0, 0, 0),
        (0.166667, 0.265412, 0, 0.564),
        (0.333333, 0.391234, 0, 0.831373),
        (0.666667, 0.764706, 0, 0),
        (1, 0.894118, 0, 1),
    ),
    "Gwyddion Red": ((0, 0, 0, 0), (0.5, 1, 0, 0), (1, 1, 1, 1)),
    "Gwyddion Green": ((0, 0, 0, 0), (0.5, 0, 1, 0), (1, 1, 1, 1)),
    "Gwyddion Blue": ((0, 0, 0, 0), (0.5, 0, 0, 1), (1, 1, 1, 1)),
    "Gwyddion Yellow": ((0, 0, 0, 0), (0.5, 0.8314, 0.71765, 0.16471), (1, 1, 1, 1)),
    "Gwyddion Olive": ((0, 0, 0, 0), (0.5, 0.36863, 0.6902, 0.45882), (1, 1, 1, 1)),
    "Gwyddion Pink": ((0, 0, 0, 0), (0.5, 1, 0.07843, 0.62745), (1, 1, 1, 1)),
    "Gwyddion Red-Yellow": ((0, 0, 0, 0), (0.33, 1, 0, 0), (0.67, 1, 1, 0), (1, 1, 1, 1)),
    "Gwyddion Blue-Cyan": ((0, 0, 0, 0), (0.33, 0, 0, 1), (0.67, 0, 1, 1), (1, 1, 1, 1)),
    "Gwyddion Blue-Yellow": (
        (0, 0, 0, 0),
        (0.33, 0, 0, 1),
        (0.5, 0.67, 0.67, 0.67),
        (0.67, 1, 1, 0),
        (1, 1, 1, 1),
    ),
}

#: Points of a palette among which the nearest is looked for: 16 from one of its 256 colors to the next.
_POINTS = 255 * 16 + 1

#: Shares of the pixels that must lie on the palette, and how far from it they may, in gray values. 8 bits
#: round by less than 1, and programs round differently. JPEG mixes the colors of neighbors: 1 % lay more than
#: 25 off where it was measured (quality 75, structure of 2 pixels), but never on another palette.
_LIMITS = ((0.999, 3.0),)
_LOSSY_LIMITS = ((0.99, 25.0), (0.999, 50.0))

#: Pixels that are looked at to choose the palette.
_SAMPLE = 20_000

#: Colors that a picture must have for its palette to be told.
_MIN_COLORS = 16

#: Palettes fit about equally well up to this factor and this share of the limits; their values must then
#: correlate by more than this.
_FACTOR, _MARGIN, _CORRELATION = 1.5, 0.15, 0.98

#: Axes of luminance and chroma (BT.601, as in JPEG), scaled so that a step of gray is as long as in RGB, and
#: how much chroma counts: JPEG keeps it at half the resolution.
_YCC = np.sqrt(3) * np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)
_CHROMA = 0.5


def add_palette(name: str, points: Sequence[Sequence[float]]) -> None:
    """Add a palette whose pictures are mapped back to gray values; one of that name is replaced.

    Args:
        name: what it is called.
        points: positions from 0 (the lowest value) to 1, increasing, each with red, green and blue from 0 to
            1; colors are linear between them.

    Raises:
        InputError: for points that are no palette.
    """
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 4 or len(array) < 2 or not ((array >= 0) & (array <= 1)).all():
        raise InputError(
            f"points: expected two or more of position, red, green and blue from 0 to 1, got {points!r}"
        )
    if array[0, 0] != 0 or array[-1, 0] != 1 or (np.diff(array[:, 0]) <= 0).any():
        raise InputError(f"points: expected increasing positions from 0 to 1, got {array[:, 0].tolist()}")
    _PALETTES[name] = array.tolist()
    _points.cache_clear()


def palette_names() -> tuple[str, ...]:
    """The palettes that are known."""
    return tuple(dict.fromkeys((*_MATPLOTLIB, *_PALETTES)))


def gray_from_colors(colors: np.ndarray, lossy: bool = False) -> tuple[np.ndarray, tuple[str, ...]]:
    """The gray values that a palette has at the colors of a picture, and its name: each color is that of the
    nearest point of the line that the palette is in the space of colors (RGB; with ``lossy`` luminance and
    half of chroma). All but one in a thousand pixels must lie close to the line, of a JPEG all but one in a
    hundred.

    A palette and its reverse have the same colors: the end that the palette has for low values is taken for
    low ones.

    Args:
        colors: 8 bits each.
        lossy: they come from a JPEG.

    Shapes:
        colors ``[..., 3]`` uint8, result ``[...]`` float64 from 0 to 255.

    Returns:
        The values, and the names of the palettes that fit: the one that was taken, and those of nearly the
        same order of values.

    Raises:
        InputError: for colors that lie on no known palette, on two that put them in another order, or are too
            few to tell.
    """
    flat = colors.reshape(-1, 3)
    if len(_unique(flat)[0]) < _MIN_COLORS:
        raise InputError(
            f"expected gray values or the colors of a palette, got fewer than {_MIN_COLORS} colors, too few "
            "to tell the palette; export the picture in gray, or the data as .gwy"
        )
    sampled, _, counts = _unique(flat[:: -(-len(flat) // _SAMPLE)])
    limits = _LOSSY_LIMITS if lossy else _LIMITS
    fits = {name: _misfit(_project(name, sampled, lossy)[0], counts, limits) for name in palette_names()}
    closest = min(fits, key=lambda name: fits[name])
    if fits[closest] > 1:
        away = fits[closest] * limits[0][1]
        raise InputError(
            "expected gray values or the colors of a palette, got colors that lie on none of "
            f"{', '.join(palette_names())} (closest: {closest}, {away:.0f} gray values away); "
            "export the picture in gray without frame, text and color bar, or the data as .gwy"
        )
    alike = [name for name in fits if fits[name] <= min(_FACTOR * fits[closest] + _MARGIN, 1)]
    # Some share their lines with others: of those that fit alike the first is taken.
    best = next(name for name in alike if fits[name] <= fits[closest] + _MARGIN)
    values = {name: _project(name, sampled, lossy)[1] for name in alike}
    for name in alike:
        if _correlation(values[best], values[name], counts) < _CORRELATION:
            raise InputError(
                f"expected the colors of one palette, got colors that lie on {best} as well as on {name}, in "
                "another order; export the picture in gray, or the data as .gwy"
            )
    distinct, index, counts = _unique(flat)
    distance, gray = _project(best, distinct, lossy)
    if _misfit(distance, counts, limits) > 1:
        raise InputError(
            f"expected the colors of a palette, got some that are not on {best}; export the picture in gray "
            "without frame, text and color bar, or the data as .gwy"
        )
    return gray[index].reshape(colors.shape[:-1]), (best, *(name for name in alike if name != best))


@cache
def _points(name: str) -> np.ndarray:
    """Colors of a palette at even steps of its value."""
    if name in _PALETTES:
        table = np.asarray(_PALETTES[name], dtype=np.float64)
        positions, colors = table[:, 0], table[:, 1:]
    else:
        from matplotlib import colormaps

        palette = colormaps[name]
        positions = np.linspace(0, 1, palette.N)
        colors = palette(positions)[:, :3]
    at = np.linspace(0, 1, _POINTS)
    return 255 * np.stack([np.interp(at, positions, column) for column in colors.T], axis=1)


def _project(name: str, colors: np.ndarray, lossy: bool) -> tuple[np.ndarray, np.ndarray]:
    """Distances of colors from a palette, and the gray values there."""
    axes = _YCC * np.array([[1.0], [_CHROMA], [_CHROMA]]) if lossy else np.eye(3)
    distance, index = cKDTree(_points(name) @ axes.T).query(colors @ axes.T)
    return distance, index * (255 / (_POINTS - 1))


def _unique(colors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The different colors ``[n, 3]``, which of them each pixel has, and how many pixels each has."""
    codes = colors.astype(np.uint32) @ np.array([65536, 256, 1], dtype=np.uint32)
    found, index, counts = np.unique(codes, return_inverse=True, return_counts=True)
    return np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1).astype(np.float64), index, counts


def _misfit(distance: np.ndarray, counts: np.ndarray, limits: Sequence[tuple[float, float]]) -> float:
    """How far from a palette the given shares of the pixels reach, in units of the limits."""
    order = np.argsort(distance)
    below = np.cumsum(counts[order])
    at = [np.searchsorted(below, share * below[-1]) for share, _ in limits]
    return max(float(distance[order][i]) / limit for i, (_, limit) in zip(at, limits, strict=True))


def _correlation(a: np.ndarray, b: np.ndarray, counts: np.ndarray) -> float:
    a, b = (v - np.average(v, weights=counts) for v in (a, b))
    scale = np.sqrt(np.average(a**2, weights=counts) * np.average(b**2, weights=counts))
    return float(np.average(a * b, weights=counts) / scale) if scale > 0 else 1.0
