"""The page of an identification: everything is there, and no text is code."""

import base64
import dataclasses
import io
import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tests.viz.browser import find_browser, visit
from tests.viz.test_identification import example
from torch_afm.viz import identification_html

EVIL = "</title><script>alert(1)</script><img src=x onerror=alert(1)> & \"quoted\" 'it'"


@pytest.fixture(scope="module")
def page() -> str:
    report = example()
    poses = [dataclasses.replace(pose, name=EVIL, smiles=EVIL + "1") for pose in report.poses]
    return identification_html(
        dataclasses.replace(
            report,
            title=EVIL,
            poses=poses,
            others=(EVIL,),
            headline=EVIL,
            reasons=(EVIL,),
            meaning=EVIL,
            warnings=(EVIL,),
            log=((EVIL, EVIL),),
            settings={EVIL: EVIL, "seed": 7},
            picture=Figure(),
        )
    )


def test_whatever_it_shows_is_escaped(page):
    assert "<script" not in page and "<img src=x" not in page
    assert not re.search(r"(src|href)=[\"'](?!data:)|url\(|@import", page)
    assert page.count("&lt;/title&gt;") >= 13


def test_it_holds_everything(page):
    plain = identification_html(example())
    for text in ("ring $x$, with a probability of 0.90", "none of these", "another", "c1ccccc1", "0.050"):
        assert text in plain
    # Three pictures of three slices of two candidates.
    assert plain.count("<svg") == 18 and plain.count("<details>") == 3
    assert plain.count("<line") == 2 * 3 * (12 + 2) and plain.count("<circle") == 2 * 3 * (12 + 3)
    assert "What was done" not in plain and "the scan before and after" in page


def test_y_points_upwards():
    """The first line of a picture is the uppermost, and so is the atom of the largest y."""
    report = example()
    stack = dataclasses.replace(report.reference, stack=np.zeros_like(report.reference.stack))
    stack.stack[0, :, 20:, :5] = 1.0  # above, to the left
    text = identification_html(dataclasses.replace(report, reference=stack, poses=report.poses[:1]))
    (encoded, *_) = re.findall(r"data:image/png;base64,([^\"]+)", text.partition("<svg")[2])
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("L"), dtype=float)
    assert (
        picture[:5, :5].mean() > picture[-5:, :5].mean() and picture[:5, :5].mean() > picture[:5, -5:].mean()
    )
    circles = re.findall(r'<circle cx="([-\d.]+)" cy="([-\d.]+)"', text)[:12]
    np.testing.assert_allclose(
        np.array(circles, dtype=float) * [1, -1], report.poses[0].atoms.pos[:, :2], atol=1e-3
    )


@pytest.mark.skipif(find_browser() is None, reason="no Chromium on this machine")
def test_a_browser_shows_it_without_complaint(page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")

    async def look(opened):
        heading = await opened.value("document.querySelector('h1').textContent")
        drawn = await opened.value("document.querySelectorAll('svg image').length")
        width = await opened.value("document.querySelector('svg').getBoundingClientRect().width")
        return heading, drawn, width, opened.requests, opened.complaints

    heading, drawn, width, requests, complaints = visit(path, tmp_path / "profile", look)
    assert heading == EVIL and drawn == 18 and width > 200
    assert complaints == []
    assert [r for r in requests if not r.startswith(("data:", path.resolve().as_uri()))] == []
