import io

import matplotlib
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from torch_afm.io.scans import palettes
from torch_afm.io.scans.palettes import add_palette, gray_from_colors, palette_names
from torch_afm.utils import InputError

#: A ramp from 0 to 1 along both axes.
RAMP = np.add.outer(np.linspace(0, 0.5, 64), np.linspace(0, 0.5, 64))


@pytest.fixture
def own_palettes(monkeypatch):
    monkeypatch.setattr(palettes, "_PALETTES", dict(palettes._PALETTES))
    yield
    palettes._points.cache_clear()


def colors_of(name, values):
    """8 bits of the colors of a palette, by matplotlib's own or by linear interpolation of the points."""
    if name in matplotlib.colormaps:
        return matplotlib.colormaps[name](values, bytes=True)[..., :3]
    points = np.array(palettes._PALETTES[name])
    return np.rint(
        255 * np.stack([np.interp(values, points[:, 0], column) for column in points[:, 1:].T], -1)
    ).astype(np.uint8)


def jpeg(colors, quality):
    buffer = io.BytesIO()
    Image.fromarray(colors).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def test_the_palettes_are_those_that_are_promised():
    assert set(palette_names()) > {
        *("gray", "viridis", "inferno", "plasma", "magma", "cividis"),
        *("hot", "afmhot", "copper", "bone", "gist_heat"),
        *("Nanonis", "Gwyddion Gwyddion.net", "Gwyddion Gold", "Gwyddion Warm"),
    }


@pytest.mark.parametrize("name", palette_names())
def test_a_ramp_comes_back(name):
    """8 bits round a value by less than 2 of 255, where its palette changes slowly; JPEG by a little more."""
    colors = colors_of(name, RAMP)
    found, (taken, *alike) = gray_from_colors(colors)
    assert name in (taken, *alike)
    # A palette of the same colors may take them at other values: hot and Gwyddion's Red-Yellow.
    assert np.abs(found - 255 * RAMP).max() < (2.5 if taken == name else 20)
    assert np.corrcoef(found.ravel(), RAMP.ravel())[0, 1] > (0.9999 if taken == name else 0.99)
    found, _ = gray_from_colors(jpeg(colors, 90), lossy=True)
    assert np.corrcoef(found.ravel(), RAMP.ravel())[0, 1] > 0.99


def test_jpeg_of_fine_structure():
    """Of 2 pixels, where chroma is mixed most; a frame in another color is still refused."""
    image = gaussian_filter(np.random.default_rng(0).normal(size=(128, 128)), 2)
    image = (image - image.min()) / np.ptp(image)
    for name in ("afmhot", "viridis", "hot", "inferno", "Nanonis"):
        colors = colors_of(name, image)
        found, names = gray_from_colors(jpeg(colors, 75), lossy=True)
        assert name in names and np.corrcoef(found.ravel(), image.ravel())[0, 1] > 0.99
        colors[:3] = (0, 255, 0)
        with pytest.raises(InputError, match="lie on none"):
            gray_from_colors(jpeg(colors, 75), lossy=True)


@pytest.mark.parametrize("low", [0.0, 0.3, 0.6])
def test_a_part_of_a_palette_tells_it(low):
    for name in ("viridis", "afmhot", "Nanonis", "Gwyddion Gwyddion.net"):
        found, names = gray_from_colors(colors_of(name, low + 0.4 * RAMP))
        assert name in names and np.corrcoef(found.ravel(), RAMP.ravel())[0, 1] > 0.999


def test_a_few_pixels_off_the_palette():
    """A dead pixel does not matter, a frame does."""
    colors = colors_of("magma", RAMP)
    colors[3, 3:6] = (0, 255, 0)
    assert gray_from_colors(colors)[1][0] == "magma"
    colors[:, :1] = (0, 255, 0)
    with pytest.raises(InputError, match=r"lie on none of gray, .*without frame, text and color bar"):
        gray_from_colors(colors)


def test_a_frame_that_the_sample_misses():
    """The palette is chosen by every n-th pixel, and then all are looked at."""
    colors = np.repeat(colors_of("magma", RAMP).reshape(-1, 1, 3), 20, axis=1)
    colors[:, 1] = (0, 255, 0)
    assert colors.size // 3 > 2 * palettes._SAMPLE
    with pytest.raises(InputError, match="got some that are not on magma"):
        gray_from_colors(colors)


def test_too_few_colors():
    with pytest.raises(InputError, match="too few to tell"):
        gray_from_colors(colors_of("hot", np.linspace(0, 1, 9)))


def test_two_palettes_in_another_order(own_palettes):
    """Red is the low end of one and the high end of the other."""
    add_palette("up", [(0, 0, 0, 0), (0.5, 0.2, 0.9, 0.1), (1, 1, 0, 1)])
    add_palette("down", [(0, 1, 0, 1), (0.5, 0.2, 0.9, 0.1), (1, 0, 0, 0)])
    with pytest.raises(InputError, match="lie on up as well as on down, in another order"):
        gray_from_colors(colors_of("up", RAMP))


def test_a_palette_of_a_user(own_palettes):
    points = [(0, 0.1, 0.2, 0.3), (0.3, 0.9, 0.1, 0.2), (1, 0.2, 0.8, 0.9)]
    with pytest.raises(InputError, match="lie on none"):
        add_palette("other", points)
        colors = colors_of("other", RAMP)
        del palettes._PALETTES["other"]
        gray_from_colors(colors)
    add_palette("mine", points)
    found, names = gray_from_colors(colors)
    assert names == ("mine",) and np.abs(found - 255 * RAMP).max() < 2


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(0, 0, 0, 0)],
        [(0, 0, 0), (1, 1, 1)],
        [(0, 0, 0, 0), (1, 255, 1, 1)],
        [(0, 0, 0, 0), (0.5, 1, 1, 1)],
        [(0, 0, 0, 0), (0.5, 1, 1, 1), (0.5, 1, 0, 1), (1, 1, 1, 1)],
        [(0, 0, 0, float("nan")), (1, 1, 1, 1)],
    ],
)
def test_points_that_are_no_palette(points):
    with pytest.raises(InputError, match=r"^points: "):
        add_palette("bad", points)
