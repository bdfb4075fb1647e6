"""SVG pictures: what they hold, and where a click in them is."""

import base64
import io
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from torch_afm.live.drawing import Panel, edges, image_url, panel_svg, scale_length, strip_svg
from torch_afm.testing import benzene

SVG = "{http://www.w3.org/2000/svg}"
WINDOW = ((-8.0, 8.0), (-6.0, 6.0))


def picture(url: str) -> np.ndarray:
    """The pixels of an image of the page, RGB."""
    head, _, data = url.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, 8))


def test_gray_values_have_the_first_row_at_the_bottom(image):
    low, high = image.min(), image.max()
    expected = np.round(255 * (image - low) / (high - low))
    found = picture(image_url(image, low, high))
    np.testing.assert_array_equal(found[::-1, :, 0], expected)
    np.testing.assert_array_equal(found[..., 0], found[..., 2])


def test_differences_have_colors_of_their_map():
    found = picture(image_url(np.array([[-1.0, 0.0, 1.0]]), -1, 1, "RdBu_r"))
    np.testing.assert_allclose(found[0] / 255, colormaps["RdBu_r"]([0, 128, 255])[:, :3], atol=0.003)


def test_an_image_without_contrast_is_gray():
    assert set(picture(image_url(np.full((2, 2), 3.0), 3.0, 3.0)).ravel()) == {128}


@pytest.mark.parametrize(
    ("width", "length"), [(16, 5), (15, 5), (14.9, 2), (6, 2), (3, 1), (40, 10), (700, 200)]
)
def test_lengths_of_scale_bars(width, length):
    assert scale_length(width) == pytest.approx(length)


def test_a_picture_is_well_formed_and_says_its_units(image):
    evil = "</svg><script>alert(1)</script>&\"'"
    panel = Panel(evil, image, WINDOW, unit="<Hz>", graph=benzene(), ringed=[0], mark=(1.0, 2.0))
    tree = ElementTree.fromstring(panel_svg(panel))
    assert tree.findall(f".//{SVG}script") == []
    texts = [t.text for t in tree.iter(f"{SVG}text")]
    assert texts[0] == evil and "5 Å" in texts
    ticks = [t.text for t in tree.iter(f"{SVG}text") if t.get("class") == "tick"]
    assert ticks[0] == f"{image.min():.2f}".replace("-", "−") and ticks[2] == f"{image.max():.2f} <Hz>"


def test_the_scale_bar_is_as_long_as_it_says(image):
    tree = ElementTree.fromstring(panel_svg(Panel("", image, WINDOW)))
    (bar,) = (g.find(f"{SVG}rect") for g in tree.iter(f"{SVG}g") if g.get("class") == "scale")
    width = float(tree.find(f".//{SVG}image").get("width"))
    assert width == 16.0 and float(bar.get("width")) == 5.0


def test_atoms_are_drawn_where_they_are(image):
    graph = benzene()
    tree = ElementTree.fromstring(panel_svg(Panel("", image, WINDOW, graph=graph)))
    circles = list(tree.iter(f"{SVG}circle"))
    found = np.array([[float(c.get("cx")), -float(c.get("cy"))] for c in circles])
    distance = np.linalg.norm(found[:, None] - graph.pos[:, :2].numpy(), axis=2)
    assert sorted(distance.argmin(1)) == list(range(12)) and distance.min(1).max() < 1e-3
    assert len(list(tree.iter(f"{SVG}line"))) == 12
    # y = 0 of the structure is drawn 6 Å below the upper edge of the window.
    moves = [g.get("transform") for g in tree.iter(f"{SVG}g")]
    assert "translate(8.0000 6.0000)" in moves


def test_zero_is_the_middle_of_differences(image):
    panel = Panel("", np.array([[0.5, -2.0]]), WINDOW, colors="RdBu_r")
    assert panel.limits == (-2.0, 2.0)


def test_clicks_are_places(image):
    panel = Panel("", image, WINDOW)
    width, height = panel.size
    assert panel.place(0, 1) == (-8.0, -6.0)
    x, y = panel.place(8 / width, 1 - 6 / height)
    assert (x, y) == pytest.approx((0, 0), abs=1e-9)
    assert panel.place(0.999, 0.5) is None and panel.place(0.1, 0.001) is None


def test_edges_lie_half_a_pixel_outside():
    assert edges(np.array([0.0, 1.0, 2.0]), np.array([5.0])) == ((-0.5, 2.5), (4.5, 5.5))


def test_a_strip_frames_the_chosen_slice():
    tree = ElementTree.fromstring(strip_svg(np.random.default_rng(0).normal(size=(3, 4, 4)), 1))
    assert len(tree.findall(f"{SVG}image")) == 3
    assert 1 < float(tree.find(f"{SVG}rect").get("x")) < 1.1


def test_small_and_large_numbers_are_told():
    ticks = []
    for image in (np.array([[0.0, 1e-4]]), np.array([[0.0, 65535.0]])):
        tree = ElementTree.fromstring(panel_svg(Panel("", image, WINDOW)))
        ticks.append([t.text for t in tree.iter(f"{SVG}text") if t.get("class") == "tick"][2])
    assert ticks == ["0.0001 Hz", "6.55e+04 Hz"]
