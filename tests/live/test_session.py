"""What a visitor does to a session, and that it is no other visitor's."""

import dataclasses

import numpy as np
import pytest
import torch

from tests.live.conftest import PLACE, SCAN, TIP, Z_TOP
from torch_afm.config import Tip
from torch_afm.data import AFMData
from torch_afm.live.files import Dropped, read_dropped, read_smiles
from torch_afm.live.predicting import predict_target
from torch_afm.live.render import render
from torch_afm.live.session import EXAMPLE, FOUND, Session, lay, window_scan
from torch_afm.ppm import anchor_height
from torch_afm.testing import benzene
from torch_afm.utils import InputError


@pytest.fixture
def session() -> Session:
    session = Session()
    session.accept(Dropped("benzene", benzene()))
    return session


def test_a_session_begins_with_a_molecule_that_goes_when_a_scan_comes(scan_bytes):
    session = Session.with_example()
    assert session.name == EXAMPLE and session.setup() is not None
    session.accept(read_dropped({"scan.npz": scan_bytes(True)}))
    assert session.setup() is None and session.scan is not None


def test_a_molecule_of_the_visitors_stays_when_a_scan_comes(session, scan_bytes):
    session.accept(read_dropped({"scan.npz": scan_bytes(True)}))
    assert session.setup().name == "benzene" and session.setup().scan.window == session.scan.scan.window


def test_the_tip_begins_where_simulate_has_it(session):
    setup = session.setup()
    assert setup.z_top == pytest.approx(float(anchor_height(setup.molecule, setup.scan, setup.tip)))


def test_another_oscillation_comes_as_near(session):
    near = session.controls.approach
    session.set("amplitude", 3.0)
    session.set("approach", 5.0)
    session.reset_height()
    assert session.controls.approach == near and session.setup().scan.amplitude == pytest.approx(3.0)


def test_a_larger_probe_stays_farther(session):
    near = session.controls.approach
    session.choose_tip("Xe")
    setup = session.setup()
    assert session.controls.approach > near + 0.2
    assert setup.z_top == pytest.approx(float(anchor_height(setup.molecule, setup.scan, setup.tip)))


def test_a_slider_moves_what_is_rendered(session):
    before = session.setup()
    session.set("approach", session.controls.approach + 0.5)
    session.set("stiffness", 0.4)
    after = session.setup()
    assert after.z_top == pytest.approx(before.z_top + 0.5)
    assert after.tip.stiffness == (0.4, 0.4, 0.0)
    # What another thread renders meanwhile is as it was.
    assert before.tip == Tip()


def test_a_molecule_is_moved_and_turned_about_its_middle(session):
    session.set("x", 2.0)
    session.set("y", -1.0)
    session.set("turn", 90.0)
    expected = torch.stack([2 - benzene().pos[:, 1], benzene().pos[:, 0] - 1], dim=1)
    torch.testing.assert_close(session.setup().molecule.pos[:, :2], expected, atol=1e-5, rtol=0)


def test_another_tip_brings_its_springs_and_its_charges_as_they_are(session):
    session.set("charges", 2.0)
    session.choose_tip("Cl")
    assert session.tip == Tip.preset("Cl")
    with pytest.raises(InputError, match="tip: expected one of CO, Xe, Cl, got 'W'"):
        session.choose_tip("W")


@pytest.mark.parametrize(("name", "value"), [("approach", 99.0), ("name", 1.0), ("__class__", 1.0)])
def test_a_slider_that_is_none_or_goes_too_far(session, name, value):
    before = dataclasses.replace(session)
    with pytest.raises(InputError):
        session.set(name, value)
    assert session == before


def test_two_sessions_share_nothing():
    one, other = Session.with_example(), Session.with_example()
    one.accept(read_smiles("O"))
    one.choose_tip("Xe")
    one.set("tilt_x", 0.5)
    one.tips["mine"] = Tip()
    assert (other.name, other.preset, other.controls.tilt_x, list(other.tips)) == (
        EXAMPLE,
        "CO",
        0.0,
        ["CO", "Xe", "Cl"],
    )


def test_what_a_scan_states_is_taken_and_explains_it(scan_bytes, scanned):
    """With tip and height of its file, and the molecule where it was, nothing is left of a scan."""
    session = Session()
    status = session.accept(read_dropped({"scan.npz": scan_bytes(True)}))
    assert status.startswith("scan.npz: 10 slices of 64 x 64 pixels")
    assert session.preset == FOUND and session.tip == TIP
    session.accept(Dropped("benzene", benzene()))
    center = session.scan.scan.center
    session.set("x", PLACE[0] - center[0])
    session.set("y", PLACE[1] - center[1])
    assert session.setup().z_top == pytest.approx(Z_TOP, abs=1e-6)
    session.image = render(session.setup())
    found = session.comparison
    assert found.r.min() > 0.999
    assert np.abs(found.residual).max() < 0.05 * scanned.stack.std()


def test_a_measured_scan_has_the_amplitude_of_the_page(session, scan_bytes):
    session.accept(read_dropped({"scan.npz": scan_bytes(False)}))
    assert session.preset == "CO" and FOUND not in session.tips
    assert session.controls.amplitude == pytest.approx(session.scan.scan.amplitude)


def test_without_scan_and_molecule_again(session, scan_bytes):
    session.accept(read_dropped({"scan.npz": scan_bytes(True)}))
    session.drop_molecule()
    assert session.setup() is None and session.comparison is None and session.n_slices == 10
    session.drop_scan()
    assert session.scan is None and session.n_slices == SCAN.n_slices


def test_laying_shows_the_plane_the_most_or_the_file():
    upright = AFMData(z=benzene().z, pos=benzene().pos[:, [2, 0, 1]], charge=benzene().charge)
    assert float(lay(upright, "flat").pos[:, 2].abs().max()) < 1e-4
    as_is = lay(upright, "as-is").pos
    assert float(as_is[:, 2].max()) == 0 and float(as_is[:, 2].min()) < -4
    assert float(lay(upright, "best").pos[:, 2].min()) > -2
    with pytest.raises(InputError, match="orientation: expected one of flat, best, as-is"):
        lay(upright, "up")


def test_periodic_structures_lie_as_they_are():
    session = Session()
    cell = AFMData(
        z=torch.tensor([8, 79]),
        pos=torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, -3.0]]),
        charge=torch.zeros(2),
        edge_index=torch.empty(2, 0, dtype=torch.long),
        cell=4 * torch.eye(3)[None],
        pbc=torch.tensor([[True, True, False]]),
    )
    session.accept(Dropped("slab", cell))
    assert session.orientation == "as-is" and session.base_scan.window == ((-8, 8), (-8, 8))
    with pytest.raises(InputError, match="as-is for a periodic structure"):
        session.choose_orientation("flat")
    assert session.orientation == "as-is"


def test_windows_grow_with_molecules():
    wide = benzene()
    wide.pos = wide.pos * 6
    scan, small = window_scan(wide), window_scan(benzene())
    assert small == SCAN and window_scan(None) == SCAN
    assert scan.window[0][1] == pytest.approx(6 * 2.481 + 3, abs=0.01)
    assert scan.pixel_size[0] == pytest.approx(small.pixel_size[0], rel=0.02)
    wide.pos = wide.pos * 20
    assert window_scan(wide).pixels == (192, 192)


def test_a_prediction_becomes_the_molecule_where_it_was_found(scan_bytes):
    session = Session()
    session.accept(read_dropped({"scan.npz": scan_bytes(True)}))
    with pytest.raises(InputError, match="predict one first"):
        session.take_prediction()
    session.prediction = predict_target(session.scan.raw, "spatial", refine=True)
    assert session.take_prediction().startswith("prediction: ")
    found = session.prediction
    n = len(found.graph.z)
    torch.testing.assert_close(
        session.setup().molecule.pos[:n, :2], found.graph.pos[:, :2], atol=1e-3, rtol=0
    )
    session.image = render(session.setup())
    expected = found.simulated[0, 0].numpy()
    assert np.corrcoef(session.image.stack[0].ravel(), expected.ravel())[0, 1] > 0.999
