"""The panels and the chart of a session."""

import json

import numpy as np
import pytest

from tests.live.conftest import PLACE
from torch_afm.live.files import Dropped, read_dropped
from torch_afm.live.predicting import predict_target
from torch_afm.live.render import render, render_curve
from torch_afm.live.session import Session
from torch_afm.live.views import count_steps, curve_chart, slice_panels, step_panels, strip_images
from torch_afm.testing import benzene


@pytest.fixture
def session(scan_bytes) -> Session:
    """Benzene over its scan."""
    session = Session()
    session.accept(read_dropped({"scan.npz": scan_bytes(True)}))
    session.accept(Dropped("benzene", benzene()))
    session.set("x", PLACE[0])
    session.set("y", PLACE[1])
    return session


def test_an_empty_session_shows_nothing():
    assert slice_panels(Session(), 0) == [] and strip_images(Session()) is None


def test_a_scan_alone(session):
    (panel,) = slice_panels(session, 3, overlay=False)
    np.testing.assert_array_equal(panel.image, session.scan.stack.values[3])
    assert panel.graph is None and panel.title == f"scan, {session.scan.stack.heights[3]:.2f} Å"
    assert strip_images(session) is session.scan.stack.values


def test_an_image_alone():
    session = Session()
    session.accept(Dropped("benzene", benzene()))
    session.image = render(session.setup())
    (panel,) = slice_panels(session, 99, mark=(1.0, 1.0))
    np.testing.assert_array_equal(panel.image, session.image.stack[0, 9])
    assert panel.title.startswith("image, slice 10 of 10") and panel.mark == (1.0, 1.0)
    assert len(panel.graph.z) == 12


def test_scan_image_and_residual_add_up(session):
    session.image = render(session.setup())
    scan, image, rest = slice_panels(session, 8)
    np.testing.assert_allclose(image.image + rest.image, scan.image)
    assert {scan.unit, image.unit, rest.unit} == {"Hz"} and rest.colors == "RdBu_r"
    r = np.corrcoef(scan.image.ravel(), session.image.stack[0, 8].ravel())[0, 1]
    assert image.title.startswith(f"image, r {r:.3f}")
    assert rest.title == f"scan less image, rms {np.sqrt(np.mean(rest.image**2)):.3g} Hz"
    assert (
        strip_images(session) is session.image.stack[0]
        or (strip_images(session) == session.image.stack[0]).all()
    )


def test_a_chart_has_the_curve_and_the_pixels_of_the_scan(session):
    session.image = render(session.setup())
    mark = (float(session.scan.stack.x[20]), float(session.scan.stack.y[30]))
    curve = render_curve(session.setup(), mark)
    chart = curve_chart(session, curve, mark)
    assert [s["name"] for s in chart["series"]] == ["image", "scan"] and len(chart["yAxis"]) == 1
    heights, shift = np.array(chart["series"][1]["data"]).T
    np.testing.assert_allclose(shift, session.scan.stack.values[:, 30, 20], atol=1e-4)
    np.testing.assert_allclose(heights, session.image.z, atol=1e-3)
    np.testing.assert_allclose(
        chart["series"][0]["data"], np.stack([curve.heights, curve.shift], 1), atol=1e-3
    )
    json.dumps(chart)


def test_another_unit_has_an_axis_of_its_own(session):
    stack = session.scan.stack.replace(unit="gray value")
    session.scan = type(session.scan)(**vars(session.scan) | {"stack": stack})
    session.image = render(session.setup())
    mark = (0.0, 0.0)
    chart = curve_chart(session, render_curve(session.setup(), mark), mark)
    assert [axis["name"] for axis in chart["yAxis"]] == ["Hz", "gray value"]
    assert [s["yAxisIndex"] for s in chart["series"]] == [0, 1]
    assert [axis["name"] for axis in curve_chart(session, None, mark)["yAxis"]] == ["gray value"]


def test_a_chart_without_a_place_is_empty(session):
    chart = curve_chart(session, None, None)
    assert chart["series"] == [] and "click" in chart["title"]["text"]


@pytest.mark.parametrize("weights", ["spatial", "scan"])
def test_stepping_through_a_prediction(session, weights):
    found = predict_target(session.scan.raw, weights)
    assert count_steps(None) == 0 and count_steps(found) == len(found.steps) + 1
    for i, step in enumerate(found.steps):
        shown, image = step_panels(found, i, 9)
        assert len(shown.graph.z) == len(step.graph.z) + len(step.added.z)
        assert len(shown.ringed) == len(step.added.z)
        np.testing.assert_array_equal(image.image, step.simulated[0, 0, len(found.reference.z) - 1])
        assert shown.title == f"pass {i + 1} of {len(found.steps)}: {step.decision}"
    shown, image = step_panels(found, len(found.steps), 0)
    assert shown.graph is found.graph and shown.title == f"the result: {len(found.graph.z)} atoms"
    np.testing.assert_array_equal(shown.image, found.reference.stack[0, 0])
