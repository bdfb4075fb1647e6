"""A scan of any size in one pass, against a network that knows the truth."""

import dataclasses

import pytest
import torch

from tests.prediction.networks import WholeOracle, by_place
from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.functional import normalize_slices, pearson
from torch_afm.models import Revision
from torch_afm.ppm import ProbeParticleModel, nominal_height
from torch_afm.prediction import RefinementSettings, predict_whole_scan
from torch_afm.testing import benzene
from torch_afm.utils import InputError

#: The scan that the network was made for, with pixels of 2 Å, and a wider one elsewhere with fewer slices.
MADE_FOR = Scan(window=((-7.0, 7.0), (-7.0, 7.0)), pixels=(8, 8), n_slices=4)
WIDE = Scan(window=((20.0, 42.0), (-8.0, 2.0)), pixels=(12, 6), n_slices=3, n_oscillation=6)
CENTER = torch.tensor([31.0, -3.0, 0.0])
Z_TOP = 8.5


@pytest.fixture
def network():
    return WholeOracle(benzene(), MADE_FOR)


@pytest.fixture
def reference():
    molecule = benzene()
    molecule.pos = molecule.pos + CENTER
    return ProbeParticleModel(WIDE)(molecule, z_top=Z_TOP)


def test_the_structure_lies_in_the_frame_of_the_scan(network, reference):
    found = predict_whole_scan(network, reference, WIDE, Z_TOP)
    expected = benzene().pos + CENTER
    assert by_place(found.graph.z, found.graph.pos) == by_place(benzene().z, expected)
    assert found.graph.edge_index.size(1) == 24 and found.graph.bond_order.min() >= 1
    assert found.scan == WIDE and not found.windows and found.parts == (found,) and not found.outside
    # What is shown is the image as the scan was taken.
    shown = AFMData(z=benzene().z, pos=expected)
    torch.testing.assert_close(
        found.simulated, ProbeParticleModel(WIDE)(shown, z_top=Z_TOP), atol=1e-3, rtol=1e-3
    )
    first = found.steps[0]
    assert by_place(first.added.z, first.added.pos) == by_place(benzene().z, expected)


def test_the_network_is_shown_nominal_images_of_the_slices_that_there_are(network, reference):
    predict_whole_scan(network, reference, WIDE, Z_TOP, Tip(tilt=(0.2, 0.0)), amplitude=0.0)
    first, second = network.seen[:2]
    assert first.amplitude == 0 and first.reference.shape == first.valid.shape == (1, 1, 4, 6, 12)
    assert not first.valid[0, 0, 0].any() and first.valid[0, 0, 1:].all()
    assert not first.reference[0, 0, 0].any() and not first.simulated.any()
    # Whatever oscillation, tip and height the scan has: those of training.
    nominal = dataclasses.replace(MADE_FOR, window=((-11.0, 11.0), (-5.0, 5.0)), pixels=(12, 6))
    image = ProbeParticleModel(nominal)(
        AFMData(z=second.z, pos=second.pos), z_top=nominal_height(MADE_FOR, Tip())
    )
    assert pearson(second.simulated[0, 0, 1:], image[0, 0, 1:]).min() > 1 - 1e-6
    assert not second.simulated[0, 0, 0].any()


def test_the_amplitude_of_the_renderer_is_shown_by_default(network, reference):
    predict_whole_scan(network, reference, WIDE, Z_TOP)
    assert network.seen[0].amplitude.item() == pytest.approx(WIDE.amplitude)
    small = dataclasses.replace(WIDE, window=((-7.0, 7.0), (-7.0, 7.0)), pixels=(8, 8))
    network.seen.clear()
    predict_whole_scan(network, reference[..., :6, :8].repeat(1, 1, 1, 2, 1)[..., :8, :], small, Z_TOP)
    expected = normalize_slices(reference[..., :6, :8].repeat(1, 1, 1, 2, 1)[..., :8, :])
    torch.testing.assert_close(network.seen[0].reference[:, :, 1:], expected)


def test_large_scans_have_fewer_views_by_default(network, monkeypatch):
    asked = []
    monkeypatch.setattr(
        type(network), "propose", lambda self, graphs, views: asked.append(views) or [self.one(graphs[0])]
    )
    wide = dataclasses.replace(WIDE, window=((0.0, 510.0), (0.0, 254.0)), pixels=(256, 128))
    for scan, views, expected in ((WIDE, None, 8), (wide, None, 4), (wide, 8, 8), (WIDE, 1, 1)):
        predict_whole_scan(network, torch.rand(1, 1, *scan.shape), scan, Z_TOP, views=views)
        assert set(asked) == {expected}
        asked.clear()


def test_a_network_that_always_finds_more_comes_to_an_end(network, reference, monkeypatch):
    places = iter(range(1000))

    def propose(self, graphs, views):
        found = self.one(AFMData.empty())
        found.atoms.pos = found.atoms.pos + torch.tensor([0.01, 0.0, 1.1]) * next(places)
        revised = Revision(
            graphs[0].pos, torch.ones(len(graphs[0].z)), torch.empty(2, 0).long(), torch.empty(0)
        )
        return [dataclasses.replace(found, revised=revised)]

    monkeypatch.setattr(type(network), "propose", propose)
    found = predict_whole_scan(network, reference, WIDE, Z_TOP, max_atoms=10_000)
    assert found.ended == "passes" and len(found.steps) == 8 + 2


def test_atoms_beside_the_scan_are_left_out(network, reference):
    network.truth.pos = network.truth.pos + torch.tensor([13.0, 0.0, 0.0])
    found = predict_whole_scan(network, reference, WIDE, Z_TOP)
    assert found.outside > 0 and found.outside + len(found.graph.z) == 12
    assert float(found.graph.pos[:, 0].max()) <= 43.0
    assert len(found.graph.bond_order) == found.graph.edge_index.size(1)


def test_the_limit_of_atoms_grows_with_the_scan(network, reference):
    assert len(predict_whole_scan(network, reference, WIDE, Z_TOP, max_atoms=3).graph.z) == 4
    small = dataclasses.replace(WIDE, window=((0.0, 14.0), (0.0, 10.0)), pixels=(8, 6))
    found = predict_whole_scan(network, reference[..., :8], small, Z_TOP, max_atoms=3)
    assert len(found.graph.z) == 3


def test_a_refined_scan_moves_with_its_frame(network, reference):
    network.truth.pos = network.truth.pos + 0.1
    found = predict_whole_scan(
        network, reference, WIDE, Z_TOP, refinement=RefinementSettings(min_gain=0.0, max_shift=100.0)
    )
    assert found.refined and found.parts[0].refined
    assert float((found.graph.pos - CENTER)[:, :2].abs().max()) < 4


@pytest.mark.parametrize(
    ("scan", "says"),
    [
        (dataclasses.replace(WIDE, window=((0.0, 24.0), (0.0, 10.0)), pixels=(13, 6)), "even numbers"),
        (dataclasses.replace(WIDE, n_slices=5), "at most 4 slices"),
        (dataclasses.replace(WIDE, dz=0.2), "steps of 0.2"),
        (dataclasses.replace(WIDE, window=((0.0, 11.0), (0.0, 5.0))), "1 x 1"),
    ],
)
def test_other_grids_than_the_network_s_are_refused(network, scan, says):
    with pytest.raises(InputError, match=says):
        predict_whole_scan(network, torch.rand(1, 1, *scan.shape), scan, Z_TOP)
    with pytest.raises(InputError, match="reference"):
        predict_whole_scan(network, torch.rand(1, 1, 3, 6, 11), WIDE, Z_TOP)
