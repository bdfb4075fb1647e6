"""What is given away can be read again."""

import io

import numpy as np
import pytest
from PIL import Image

from torch_afm.io import read_molecule, read_stack
from torch_afm.live.drawing import Panel
from torch_afm.live.export import export_npz, export_png, export_xyz, plot_panels
from torch_afm.live.files import Dropped, read_dropped
from torch_afm.live.render import render
from torch_afm.live.session import Session
from torch_afm.testing import benzene
from torch_afm.utils import InputError


@pytest.fixture
def session() -> Session:
    session = Session()
    session.accept(Dropped("benzene", benzene()))
    session.set("tilt_x", 0.3)
    session.set("turn", 30.0)
    session.image = render(session.setup())
    return session


def test_a_stack_comes_back_with_its_settings(session, tmp_path):
    (tmp_path / "a.npz").write_bytes(export_npz(session))
    stack, setup = read_stack(tmp_path / "a.npz"), session.setup()
    np.testing.assert_array_equal(stack.stack, session.image.stack)
    assert (stack.tip, stack.recorded_scan, stack.z_top) == (setup.tip, setup.scan, setup.z_top)


def test_a_dropped_export_restores_the_sliders(session):
    again = Session()
    again.accept(read_dropped({"a.npz": export_npz(session)}))
    assert again.controls.tilt_x == pytest.approx(0.3)
    assert again.controls.approach == pytest.approx(session.controls.approach, abs=1e-6)


def test_a_structure_comes_back_where_it_lay(session, tmp_path):
    (tmp_path / "a.xyz").write_bytes(export_xyz(session))
    found, expected = read_molecule(tmp_path / "a.xyz"), session.setup().molecule
    np.testing.assert_allclose(found.pos, expected.pos, atol=1e-5)
    np.testing.assert_allclose(found.charge, expected.charge, atol=1e-5)


def test_a_picture_has_a_color_bar_and_a_scale_bar_in_each_panel(session):
    with Image.open(io.BytesIO(export_png(session))) as picture:
        assert picture.format == "PNG" and picture.width > 1000
    image = np.random.default_rng(0).normal(size=(8, 8))
    panels = [Panel(f"slice {i}", image, ((-8, 8), (-8, 8)), unit="kHz", graph=benzene()) for i in range(2)]
    figure = plot_panels([panels, panels])
    units = [ax.get_ylabel() for ax in figure.axes]
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert units.count("kHz") == 4 and texts.count("5 Å") == 4


def test_a_scan_alone(scan_bytes, tmp_path):
    session = Session()
    session.accept(read_dropped({"scan.npz": scan_bytes(False)}))
    (tmp_path / "a.npz").write_bytes(export_npz(session))
    np.testing.assert_allclose(
        read_stack(tmp_path / "a.npz").stack[0], session.scan.stack.values, atol=1e-5, rtol=1e-6
    )
    assert export_png(session).startswith(b"\x89PNG")
    with pytest.raises(InputError, match="xyz: expected a molecule"):
        export_xyz(session)


@pytest.mark.parametrize("export", [export_png, export_npz, export_xyz])
def test_nothing_to_give(export):
    with pytest.raises(InputError, match=r"expected a molecule.* got n"):
        export(Session())
