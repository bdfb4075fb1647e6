"""What is shown, and which answers come too late."""

from types import SimpleNamespace

import numpy as np
import pytest

from torch_afm.live.display import Display
from torch_afm.live.files import Dropped, read_dropped, read_smiles
from torch_afm.live.session import Session
from torch_afm.testing import benzene


@pytest.fixture
def display() -> Display:
    session = Session()
    session.accept(Dropped("benzene", benzene()))
    return Display(session)


def rendered(display: Display) -> bool:
    request = display.request()
    return display.accept(request, *request.render())


def test_the_nearest_slice_comes_first(display):
    assert display.index == 9 and display.panels() == [] and display.strip() == ""
    assert rendered(display)
    (panel,) = display.panels()
    np.testing.assert_array_equal(panel.image, display.session.image.stack[0, 9])
    assert display.strip().count("<image") == 10


def test_an_image_that_a_slider_left_behind_is_shown_until_the_next_one_comes(display):
    request = display.request()
    display.session.set("tilt_x", 0.5)
    assert display.accept(request, *request.render())


def test_an_image_of_what_is_gone_is_not(display, scan_bytes):
    for change in (
        lambda: display.session.accept(read_smiles("O")),
        lambda: display.session.accept(read_dropped({"scan.npz": scan_bytes(True)})),
        display.session.drop_molecule,
    ):
        request = display.request()
        late = request.render()
        change()
        assert not display.accept(request, *late)
        assert display.session.image is None


def test_a_prediction_of_what_is_gone_is_dropped_and_moved_sliders_do_not_matter(display):
    found = SimpleNamespace(steps=[1, 2, 3])
    subject = display.subject
    display.session.set("tilt_x", 0.5)
    display.session.choose_tip("Xe")
    assert display.accept_prediction(subject, found)
    assert display.session.prediction is found and (display.step, display.n_steps) == (3, 4)
    display.session.accept(read_smiles("O"))
    assert not display.accept_prediction(subject, SimpleNamespace(steps=[]))
    assert display.session.prediction is found


def test_a_click_marks_a_place_of_the_image_alone(display):
    assert not display.click(0, 0.5, 0.5)
    rendered(display)
    assert not display.click(0, 0.99, 0.5) and not display.click(1, 0.5, 0.5) and display.mark is None
    assert display.click(0, 0.0, 1.0)
    assert display.mark == (-8.0, -8.0)
    assert display.curve is None and rendered(display) and display.curve is not None
    assert [series["name"] for series in display.chart()["series"]] == ["image"]


def test_a_mark_outside_of_a_new_window_goes(display, scan_bytes):
    rendered(display)
    display.click(0, 0.0, 1.0)
    display.index = 99
    display.session.accept(read_dropped({"scan.npz": scan_bytes(True)}))
    display.fit()
    assert display.index == 9 and display.curve is None
    (x0, x1), (y0, y1) = display.session.base_scan.window
    inside = x0 <= -8 <= x1 and y0 <= -8 <= y1
    assert (display.mark is not None) == inside


@pytest.mark.parametrize(("across", "index"), [(0.0, 0), (0.55, 5), (1.0, 9), (-0.1, 0)])
def test_a_click_on_the_strip_is_a_slice(display, across, index):
    assert display.click_strip(across) == index


def test_without_a_prediction_there_are_no_passes(display):
    assert display.n_steps == 0 and display.passes() == []
