"""A whole scan, against a network that knows the truth."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.prediction.networks import SCAN, THIN, Z_TOP, Oracle, Script, by_place
from torch_afm.data import AFMData
from torch_afm.metrics import Calibration
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction import (
    RefinementSettings,
    generate,
    pipeline,
    predict_scan,
    predict_structure,
    tiles,
)
from torch_afm.prediction.refinement import Scanner
from torch_afm.testing import benzene
from torch_afm.utils import InputError

PITCH = 8 / 15
WIDE = dataclasses.replace(SCAN, window=((-1.0, -1 + 47 * PITCH), (0.0, 15 * PITCH)), pixels=(48, 16))


@pytest.fixture
def moved():
    """Benzene at the middle of the second of the grid's windows along x."""
    molecule = benzene()
    molecule.pos = molecule.pos + torch.tensor([-1 + 23.5 * PITCH, 7.5 * PITCH, 0.0])
    return molecule


@pytest.fixture
def reference(moved):
    return ProbeParticleModel(WIDE)(moved, z_top=Z_TOP)


@pytest.fixture(autouse=True)
def one_island(monkeypatch):
    """At these few pixels benzene is wider than the oracle's window."""

    def find(stack, pitch):
        mask = np.zeros(stack.shape[1:], bool)
        if mask.shape == (16, 48):
            mask[3:13, 19:29] = True
        return [mask] if mask.any() else []

    monkeypatch.setattr(tiles, "find_islands", find)


def predict(reference, **how):
    return predict_with(benzene(), reference, **how)


def predict_with(truth, reference, **how):
    return predict_scan(Oracle(truth), reference, WIDE, Z_TOP, views=1, **how)


def test_an_island_is_centered_and_found_where_it_is(moved, reference):
    found = predict(reference)
    (window,) = found.windows
    shift = torch.tensor([*window.tile.center, 0.0])
    torch.testing.assert_close(shift, moved.pos.mean(0), atol=1e-4, rtol=0)
    expected = benzene().pos + shift
    assert by_place(found.graph.z, found.graph.pos) == by_place(benzene().z, expected)
    assert found.graph.edge_index.size(1) == 24 and found.ended == "stop"
    assert found.simulated.shape == (1, 1, *WIDE.shape)
    whole = ProbeParticleModel(WIDE)(AFMData(z=benzene().z, pos=expected), z_top=Z_TOP)
    torch.testing.assert_close(found.simulated, whole, atol=1e-3, rtol=1e-3)
    assert window.to_dict()["atoms"] == 12 and not found.refined
    calibrated = found.calibrated(Calibration(sigma=(0.5, 0.5, 0.5)))
    torch.testing.assert_close(calibrated.sigma, 0.5 * found.graph.sigma)


def test_empty_windows_of_a_grid_are_left_out(reference):
    reference = reference.clone()
    reference[..., 30:] = reference[..., :1].mean()  # flat on the right
    found = predict(reference, cover="grid")
    assert found.windows[-1].prediction is None and found.windows[-1].pearson == 0.0
    assert any(w.prediction is not None for w in found.windows)


def test_heights_that_windows_find_become_one(monkeypatch, reference):
    """A refinement that lifts the tip by 0.2 Å lifts that of the scan; the highest atom stays at 0."""

    def refined(data, stack, renderer, z_top, tip, context, settings, seed, top):
        result = {
            "accepted": True,
            "scanner": Scanner(),
            "z_top": z_top + 0.2,
            "tip": dataclasses.replace(renderer.tip, tilt=(0.1, 0.0)),
        }
        added = AFMData.empty()
        added.sigma = torch.empty(0, 3)
        return SimpleNamespace(data=data.clone(), context=AFMData.empty(), added=added, **result)

    monkeypatch.setattr(pipeline, "refine", refined)
    plain, found = predict(reference), predict(reference, refinement=RefinementSettings())
    torch.testing.assert_close(found.graph.pos[:, 2], plain.graph.pos[:, 2], atol=1e-5, rtol=0)
    assert found.refined and not plain.refined and found.tip.tilt == pytest.approx((0.1, 0))
    assert found.z_top == pytest.approx(Z_TOP + 0.2)
    # Standard deviations are the refinement's.
    assert torch.equal(found.calibrated(Calibration(sigma=(0.5, 0.5, 0.5))).sigma, found.graph.sigma)
    # The same distances give the same image, but for the tilt.
    assert found.windows[0].pearson > 0.9


def test_it_is_the_same_generation_as_that_of_one_window():
    reference = ProbeParticleModel(SCAN)(benzene(), z_top=Z_TOP)
    found = predict_scan(Oracle(benzene()), reference, SCAN, Z_TOP, views=1, cover="grid")
    alone = generate(Oracle(benzene()), reference, ProbeParticleModel(SCAN), Z_TOP, views=1)
    assert by_place(alone.graph.z, alone.graph.pos) == by_place(found.graph.z, found.graph.pos)


def test_a_window_moves_to_the_middle_of_what_a_first_look_finds(reference):
    """The oracle sees benzene two pixels off the middle of whatever window it looks at."""
    off = benzene()
    off.pos = off.pos + torch.tensor([2 * PITCH, 0.0, 0.0])
    (moved,), (still,) = predict_with(off, reference).windows, predict(reference).windows
    assert moved.tile.center[0] - still.tile.center[0] == pytest.approx(2 * PITCH)
    assert moved.tile.center[1] == still.tile.center[1]
    (grid, *_) = predict_with(off, reference, cover="grid").windows
    assert grid.tile.column == 0


def test_one_window_is_what_the_model_predicts_alone():
    """A scan of the size of the window is one window, whatever the islands: by all routes the same."""
    reference = ProbeParticleModel(SCAN)(benzene(), z_top=Z_TOP)
    auto, grid = (
        predict_scan(Oracle(benzene()), reference, SCAN, Z_TOP, views=1, cover=cover)
        for cover in ("auto", "grid")
    )
    alone = predict_structure(Oracle(benzene()), reference, ProbeParticleModel(SCAN), Z_TOP, views=1)
    for found in (auto.graph, grid.graph):
        torch.testing.assert_close(found.pos, alone.graph.pos)
        assert pairs(found) == pairs(alone.graph)


def test_atoms_outside_of_the_scan_are_left_out(reference):
    """The oracle sees benzene in the middle of the window, three quarters of which the scan does not have."""
    scan = dataclasses.replace(WIDE, window=((0.0, 15 * PITCH), (0.0, 3 * PITCH)), pixels=(16, 4))
    found = predict_scan(Oracle(benzene()), reference[..., 6:10, 16:32], scan, Z_TOP, views=1)
    graph, middle = found.graph, torch.tensor([7.5 * PITCH, 1.5 * PITCH, 0.0])
    there = benzene().pos + middle
    inside = (there[:, 1] >= -PITCH / 2) & (there[:, 1] <= 3.5 * PITCH)
    assert 0 < inside.sum() < 12 and found.outside == int((~inside).sum())
    assert by_place(graph.z, graph.pos) == by_place(benzene().z[inside], there[inside])
    a, b = graph.edge_index
    assert len(a) == len(graph.bond_probability) > 0
    assert ((graph.pos[a] - graph.pos[b]).norm(dim=1) < 1.6).all()


def pairs(graph):
    return set(map(tuple, graph.edge_index.T.tolist()))


def test_the_steps_of_one_window_are_those_of_the_scan():
    """In the frame of the scan, the last of them with its image."""
    scan = dataclasses.replace(SCAN, window=((10.0, 18.0), (-3.0, 5.0)))
    reference = ProbeParticleModel(SCAN)(benzene(), z_top=Z_TOP)
    found = predict_scan(Oracle(benzene()), reference, scan, Z_TOP, views=1, cover="grid")
    alone = predict_structure(Oracle(benzene()), reference, ProbeParticleModel(SCAN), Z_TOP, views=1)
    assert len(found.steps) == len(alone.steps) > 1
    for here, there in zip(found.steps, alone.steps, strict=True):
        torch.testing.assert_close(here.graph.pos - there.graph.pos, there.graph.pos * 0 + SHIFT)
        torch.testing.assert_close(here.added.pos - there.added.pos, there.added.pos * 0 + SHIFT)
    torch.testing.assert_close(found.simulated, alone.simulated, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(found.graph.pos - alone.graph.pos, alone.graph.pos * 0 + SHIFT)


SHIFT = torch.tensor([14.0, 1.0, 0.0])


def test_a_network_that_places_one_atom_at_a_time_takes_scans_too():
    model = Script((1, (0.5, 0.5, 0.0), ()), (2, (0.5, -0.6, 0.0), (0,)))
    reference = ProbeParticleModel(THIN)(benzene(), z_top=Z_TOP)
    found = predict_scan(model, reference, THIN, Z_TOP, cover="grid")
    assert len(found.graph.z) == 2 and found.graph.edge_index.tolist() == [[0, 1], [1, 0]]
    assert found.graph.class_probabilities.shape == (2, len(model.classes) - 1) and "sigma" not in found.graph
    assert len(found.context.z) == 0 and len(found.steps) == 3


BAD = [
    (lambda reference: predict(reference, cover="carpet"), "cover"),
    (lambda reference: predict(reference[..., :20]), "reference"),
    (lambda reference: predict(reference * float("nan")), "reference"),
    (lambda reference: predict(reference, search="wide"), "search"),
]


@pytest.mark.parametrize(("call", "name"), BAD)
def test_bad_input(reference, call, name):
    with pytest.raises(InputError, match=f"^{name}"):
        call(reference)
