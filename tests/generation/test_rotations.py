"""Predictions turned with their scan."""

import dataclasses

import pytest
import torch

from tests.generation.networks import SCAN, Z_TOP, Oracle
from torch_afm.config import Tip
from torch_afm.data import AFMData
from torch_afm.generation import Consistency, predict_structure
from torch_afm.generation.rotations import Rotations, turn_prediction
from torch_afm.ppm import ProbeParticleModel
from torch_afm.symmetry import Symmetry
from torch_afm.testing import benzene

PLACE = dataclasses.replace(SCAN, window=((6.0, 14.0), (-5.0, 3.0)))
TIP = Tip(tilt=(0.2, -0.1))


@pytest.fixture(scope="module")
def predicted():
    """Benzene off the middle of a window away from the origin, with a tilted tip."""
    renderer = ProbeParticleModel(SCAN, TIP)
    reference = renderer(benzene(), z_top=Z_TOP)
    found = predict_structure(Oracle(benzene()), reference, renderer, Z_TOP, views=1)
    shift = torch.tensor([*PLACE.center, 0.0]) + torch.tensor([0.5, 0.25, 0.0])
    graph = found.graph.clone()
    graph.pos = graph.pos + shift
    step = dataclasses.replace(found.steps[-1], graph=graph)
    return dataclasses.replace(found, graph=graph, steps=[*found.steps[:-1], step], scan=PLACE)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_the_image_of_a_turned_prediction_is_the_turned_image(predicted, turns):
    """Graph, scan and tip turn together: rendered anew they give the image that was turned."""
    turned = turn_prediction(predicted, Symmetry(turns))
    assert len(turned.steps) == 1
    atoms = AFMData(z=turned.graph.z, pos=turned.graph.pos - torch.tensor([*PLACE.center, 0.0]))
    image = ProbeParticleModel(SCAN, turned.tip)(atoms, z_top=Z_TOP)
    atoms.pos = predicted.graph.pos - torch.tensor([*PLACE.center, 0.0])
    expected = ProbeParticleModel(SCAN, TIP)(atoms, z_top=Z_TOP)
    torch.testing.assert_close(Symmetry(turns).image(expected), image, atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(turned.simulated, Symmetry(turns).image(predicted.simulated))
    expected_sigma = predicted.graph.sigma[:, [1, 0, 2]] if turns % 2 else predicted.graph.sigma
    assert torch.equal(turned.graph.sigma, expected_sigma)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_turning_back_undoes_a_turn(predicted, turns):
    way = Symmetry(turns)
    back = turn_prediction(turn_prediction(predicted, way), way.inverse)
    torch.testing.assert_close(back.graph.pos, predicted.graph.pos, atol=1e-5, rtol=0)
    torch.testing.assert_close(back.steps[-1].graph.pos, predicted.steps[-1].graph.pos, atol=1e-5, rtol=0)
    assert torch.equal(back.simulated, predicted.simulated) and back.scan == predicted.scan
    assert back.tip.tilt == pytest.approx(predicted.tip.tilt)


def test_the_one_whose_image_agrees_best_is_taken(predicted):
    support = [torch.full((12,), 0.25), torch.full((12,), 0.75)]
    agreement = Consistency(torch.eye(2), torch.zeros(2, 2), support, 0.5)
    both = Rotations((0, 2), (predicted, predicted), (0.5, 0.75), agreement)
    assert both.best == 1 and both.support.tolist() == [0.75] * 12
    record = both.to_dict()
    assert (record["degrees"], record["taken"], record["atoms"]) == ([0, 180], 180, [12, 12])
    assert "taken: 180°" in both.describe()
    alone = Rotations((0,), (predicted,), (0.5,), None)
    assert alone.best == 0 and alone.support is None and "support" not in alone.to_dict()
