import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from tests.io.scans import files
from tests.io.scans.test_listing import image, sxm
from torch_afm.io.scans import list_scans
from torch_afm.viz import plot_contact_sheet, scan_sheet_entries, scan_sheet_html
from torch_afm.viz.scan_sheet import thumbnail

RNG = np.random.default_rng(7)


def test_planes_are_taken_out_and_contrast_is_clipped():
    y, x = np.mgrid[:20, :30]
    values = RNG.normal(size=(20, 30))
    flat, tilted = thumbnail(values), thumbnail(values + 40 * x - 7 * y + 3)
    assert np.abs(flat.astype(int) - tilted).max() <= 1
    assert (flat.min(), flat.max()) == (0, 255) and flat.dtype == np.uint8
    values[3, 4] = 1e4  # one spike leaves the contrast of the others
    assert np.ptp(np.percentile(thumbnail(values), [10, 90])) > 30


def test_a_plane_alone_is_gray():
    y, x = np.mgrid[:20, :30]
    assert np.unique(thumbnail(x * 1.0 - y)).tolist() == [128]
    assert np.unique(thumbnail(np.full((3, 3), -8.0))).tolist() == [128]


def test_what_was_not_measured_is_striped():
    values = RNG.normal(size=(12, 12))
    values[6:] = np.nan
    picture = thumbnail(values)
    assert set(np.unique(picture[6:]).tolist()) == {150, 190}
    assert np.array_equal(picture[:6], thumbnail(values[:6]))
    assert set(np.unique(thumbnail(np.full((8, 8), np.nan))).tolist()) == {150, 190}


def test_a_curve_is_drawn_with_large_values_on_top():
    picture = thumbnail(np.array([0.0, 1.0, np.nan, 3.0]))
    dark = np.argwhere(picture < 128)
    assert dark[dark[:, 1] < 10, 0].mean() < 20 and dark[dark[:, 1] > 150, 0].mean() > 140
    assert thumbnail(np.full(3, np.nan)).min() == 255


class Page(HTMLParser):
    """The tags of a page in the order in which they begin, with unclosed ones."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.images = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        elif tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def listed(tmp_path):
    sxm(tmp_path / "wide & <low>.sxm", minute=1, values=image(20, 30), size=(4e-9, 1e-9))
    sxm(tmp_path / "b.sxm", minute=2)
    (tmp_path / "curve.dat").write_bytes(
        files.spectrum_dat({"Z rel (m)": -1e-10 * np.arange(5.0), "Freq. Shift (Hz)": np.arange(5.0)}, z=2e-9)
    )
    (tmp_path / "broken.sxm").write_bytes(b"nothing")
    (tmp_path / "notes.txt").write_text("x")
    return list_scans(tmp_path)


def test_the_page_needs_nothing_else(listed):
    text = scan_sheet_html(
        "<day>", listed, {listed[0]: "A"}, [("A  1 image", "torch-afm predict '<x>' --out a")]
    )
    page = Page(text)
    assert page.open == [] and "script" not in page.tags
    assert (
        not re.search(r'(src|href)="(?!data:)', text)
        and "url(" not in text
        and "http" not in text.split("<main>")[1]
    )
    assert "<h1>&lt;day&gt;</h1>" in text and "wide &amp; &lt;low&gt;.sxm" in text
    assert "&#x27;&lt;x&gt;&#x27;" in text and '<b class="letter">A</b>' in text
    assert text.count("<figure") == 4 and text.count('<figure class="bad">') == 1
    assert "notes.txt: " in text


def test_pictures_on_the_page_have_the_shape_of_the_frame(listed):
    page = Page(scan_sheet_html("day", listed, {}))
    wide = [shown for shown in page.images if shown["alt"].startswith("wide")]
    assert [shown["alt"].rsplit(" ", 1)[1] for shown in wide] == ["forward", "backward"]
    for shown, values in zip(wide, listed[0].thumbnails.values(), strict=True):
        assert (shown["width"], shown["height"]) == ("160", "40")  # 40 x 10 Å
        data = base64.b64decode(shown["src"].removeprefix("data:image/png;base64,"))
        with Image.open(io.BytesIO(data)) as picture:
            assert np.array_equal(np.asarray(picture)[::-1], thumbnail(values))  # y upwards


def test_entries_of_the_printed_sheet(listed):
    entries = scan_sheet_entries(listed, {listed[1]: "B"})
    assert [entry.title for entry in entries] == ["wide & <low>.sxm", "B  b.sxm", "curve.dat"]
    assert [len(entry.panels) for entry in entries] == [2, 2, 1]
    caption = entries[0].caption
    for words in ("Frequency_Shift", "40.0 x 10.0 Å", "z 10.00 Å", "controller off", "turned by 15°"):
        assert words in caption
    figure = plot_contact_sheet(entries)
    extents = [ax.images[0].get_extent() for ax in figure.axes if ax.images]
    assert extents[0] == pytest.approx((0, 40, 0, 10)) and extents[2] == pytest.approx((0, 20, 0, 10))
