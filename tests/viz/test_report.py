"""The report: what it holds, and what a browser makes of it."""

import dataclasses
import json
import re

import numpy as np
import pytest
import torch
from matplotlib.collections import EllipseCollection

from tests.viz.browser import find_browser, visit
from torch_afm.data import AFMData
from torch_afm.io import AFMStack
from torch_afm.testing import benzene
from torch_afm.utils import InputError
from torch_afm.viz import PredictionReport, plot_report, report_html, write_report

EVIL = "</script><img src=x onerror=alert(1)>\u2028 & \"quoted\" 'it'"


@pytest.fixture(scope="module")
def report() -> PredictionReport:
    rng = np.random.default_rng(0)
    axis = np.linspace(-8, 8, 32)
    stack = AFMStack(rng.normal(size=(1, 3, 32, 32)), axis, axis, np.array([8.0, 7.9, 7.8]))
    graph = benzene()
    graph.pos[:, 2] -= 0.05 * torch.arange(12)
    graph.confidence = torch.linspace(0.5, 0.99, 12)
    graph.class_probabilities = torch.tensor([0.01, 0.7, 0.29]).repeat(12, 1)
    graph.bond_probability = torch.full((graph.edge_index.size(1),), 0.75)
    graph.bond_order = torch.full((graph.edge_index.size(1),), 1.5)
    context = AFMData(z=torch.tensor([8]), pos=torch.tensor([[0.0, 0.0, -2.0]]), charge=torch.zeros(1))
    context.edge_index = torch.empty(2, 0, dtype=torch.long)
    return PredictionReport(
        title=EVIL,
        graph=graph,
        context=context,
        reference=stack,
        simulated=stack.stack[0] * 3 + 1,
        status="not explained",
        headline=EVIL,
        reasons=(EVIL, "another"),
        summary=EVIL,
        unit="gray value",
        warnings=[EVIL],
        log=[("read", EVIL), (EVIL, "drift")],
        settings={"stack": EVIL, "step": 0.1},
        support=torch.linspace(0, 1, 12),
        classes=("H", "C", "N"),
        doubtful=(0, 3),
        doubtful_elements=(3,),
    )


def data_of(page: str) -> dict:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


def stack_of(report) -> np.ndarray:
    return report.reference.stack[0, 0]


def test_the_page_holds_everything_and_no_text_is_code(report):
    page = report_html(report)
    assert page.count("<script") == 2 and "<img src=x" not in page
    assert "\u2028" not in page.split("<script")[1]
    told = data_of(page)
    assert told["reasons"] == [EVIL, "another"] and dict(told["words"])["support"]
    low, high = (f"{v:.2f}".replace("-", "−") for v in (stack_of(report).min(), stack_of(report).max()))
    assert told["ranges"][0][0] == [f"{low} gray value", f"{high} gray value"]
    assert all(end.endswith(" Hz") for end in told["ranges"][0][1])
    assert told["subtitle"].startswith("C6H6: 12 atoms, 12 bonds")
    assert told["headline"] == told["warnings"][0] == told["settings"][0][1] == EVIL
    assert len(told["atoms"]) == 13 and told["atoms"][12]["deep"] and told["atoms"][12]["element"] == "O"
    assert len(told["bonds"]) == 12 and told["bonds"][0][2:] == pytest.approx([1.5, 0.75])
    assert [a["confidence"] for a in told["atoms"][:12]] == pytest.approx(report.graph.confidence.tolist())
    # What is less than 0.05 sure is not named.
    assert {a["elements"] for a in told["atoms"][:12]} == {"C 0.70, N 0.29"} and told["atoms"][12][
        "elements"
    ] == ""
    assert [i for i, a in enumerate(told["atoms"]) if a["doubtful"]] == [0, 3]
    assert [i for i, a in enumerate(told["atoms"]) if a["element_doubtful"]] == [3]
    assert told["atoms"][11]["support"] == pytest.approx(1.0) and told["atoms"][12]["support"] is None
    assert all(len(told[name]) == 3 for name in ("scan", "simulated", "residual"))
    # The simulated stack is the scan in another unit: nothing is left of it.
    assert told["pearson"] == pytest.approx([1.0] * 3)
    assert not re.search(r"(src|href)=[\"'](?!data:)|url\(|@import", page)


def test_nothing_found_is_a_report_too(report, tmp_path):
    nothing = {"graph": AFMData.empty(), "context": AFMData.empty(), "support": None}
    empty = dataclasses.replace(report, **nothing, doubtful=(), doubtful_elements=())
    write_report(tmp_path / "report.html", empty)
    assert data_of((tmp_path / "report.html").read_text("utf-8"))["atoms"] == []
    assert plot_report(empty).axes


def test_the_picture_shows_scan_simulation_and_difference(report):
    figure = plot_report(dataclasses.replace(report, title="benzene"))
    structure, verdict, *panels = [
        ax for sub in figure.subfigs for ax in sub.axes if ax.get_label() != "<colorbar>"
    ]
    assert len(panels) == 9 and figure.get_suptitle() == "benzene"
    residual = panels[2].get_images()[0].get_array()
    assert np.abs(residual).max() < 1e-4
    assert "another" in verdict.texts[0].get_text()
    # All atoms, rings of the one below the cut and of the doubtful ones, and a mark at the doubtful element.
    circles = [c for c in structure.collections if isinstance(c, EllipseCollection)]
    assert [len(c.get_offsets()) for c in circles] == [12, 1, 2]
    assert circles[2].get_offsets().tolist() == pytest.approx(report.graph.pos[[0, 3], :2].numpy())
    assert [t.get_text() for t in structure.texts] == ["C?", "2 Å"]
    bars = [ax.get_ylabel() for sub in figure.subfigs for ax in sub.axes if ax.get_label() == "<colorbar>"]
    assert bars[:3] == ["gray value", "gray value", "Hz"] and len(bars) == 10


BAD = [
    (lambda r: dataclasses.replace(r, simulated=np.zeros((2, 32, 32))), "simulated"),
    (lambda r: dataclasses.replace(r, simulated=np.full((3, 32, 32), np.nan)), "simulated"),
    (lambda r: dataclasses.replace(r, support=torch.zeros(3)), "support"),
    (lambda r: dataclasses.replace(r, doubtful=(12,)), "doubtful"),
    (lambda r: dataclasses.replace(r, doubtful_elements=(-1,)), "doubtful_elements"),
    (lambda r: write_report("/proc/none/report.html", r), "/proc/none/report.html"),
]


@pytest.mark.parametrize(("call", "argument"), BAD)
def test_bad_input(report, call, argument):
    with pytest.raises(InputError, match=f"^{argument}:"):
        call(report)


@pytest.mark.skipif(find_browser() is None, reason="no Chromium on this machine")
def test_a_browser_shows_it_and_turns_it(report, tmp_path):
    path = tmp_path / "report.html"
    write_report(path, report)
    hashed = "document.getElementById('%s').toDataURL()"

    async def look(page):
        before = await page.value(hashed % "view")
        where = await page.value(
            "(() => { const v = document.getElementById('view'); v.scrollIntoView({block: 'center'});"
            "const r = v.getBoundingClientRect();"
            "return [r.left + r.width / 2, r.top + r.height / 2]; })()"
        )
        await page.drag(where, [where[0] + 90, where[1] + 40])
        after = await page.value(hashed % "view")
        slices = [await page.value(hashed % "scan")]
        over = [await page.value(hashed % "over")]
        await page.value("document.getElementById('overlay').click()")
        over.append(await page.value(hashed % "over"))
        scale = await page.value("document.getElementById('over').nextElementSibling.textContent")
        bonds = await page.value("document.querySelectorAll('#bonds tbody tr').length")
        await page.value(
            "(() => { const s = document.getElementById('slice'); s.value = 0;"
            "s.dispatchEvent(new Event('input')); })()"
        )
        slices.append(await page.value(hashed % "scan"))
        seen = await page.value("document.getElementById('headline').textContent")
        against = await page.value("document.querySelectorAll('#reasons li').length")
        rows = await page.value("document.querySelectorAll('#atoms tbody tr').length")
        drawn = await page.value(
            "(() => { const c = document.getElementById('view'); const d = c.getContext('2d')"
            ".getImageData(0, 0, c.width, c.height).data; let n = 0;"
            "for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; })()"
        )
        return (
            before,
            after,
            over,
            scale,
            bonds,
            slices,
            seen,
            against,
            rows,
            drawn,
            page.requests,
            page.complaints,
        )

    profile = tmp_path / "profile"
    before, after, over, scale, bonds, *rest = visit(path, profile, look)
    slices, seen, against, rows, drawn, requests, complaints = rest
    assert over[0] != over[1] and scale.count("gray value") == 2 and bonds == 12
    assert before != after and slices[0] != slices[1]
    assert seen == EVIL and against == 2 and rows == 13 and drawn > 1000
    assert complaints == []
    assert [r for r in requests if not r.startswith(("data:", path.resolve().as_uri()))] == []
