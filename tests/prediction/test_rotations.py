"""Predictions turned with their scan."""

import dataclasses
import math

import pytest
import torch

from tests.prediction.networks import SCAN, Z_TOP, Oracle
from torch_afm.config import Tip
from torch_afm.data import AFMData
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction import Consistency, compare_predictions, predict_structure
from torch_afm.prediction.rotations import Rotations, turn_prediction
from torch_afm.symmetry import Symmetry
from torch_afm.testing import benzene
from torch_afm.utils import InputError

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
    agreement = Consistency(torch.eye(2), torch.zeros(2, 2), support)
    both = Rotations((0, 2), (predicted, predicted), (0.5, 0.75), agreement)
    assert both.best == 1 and both.support.tolist() == [0.75] * 12
    record = both.to_dict()
    assert (record["degrees"], record["taken"], record["atoms"]) == ([0, 180], 180, [12, 12])
    assert "taken: 180°" in both.describe()
    alone = Rotations((0,), (predicted,), (0.5,), None)
    assert alone.best == 0 and alone.support is None and "support" not in alone.to_dict()


def graph(*rows):
    return AFMData(
        z=torch.tensor([r[0] for r in rows], dtype=torch.long),
        pos=torch.tensor([r[1:] for r in rows]).reshape(-1, 3),
        charge=torch.zeros(len(rows)),
    )


A, B, C = (6, 0.0, 0.0, 0.0), (8, 2.0, 0.0, 0.0), (1, 5.0, 5.0, 0.0)


def test_by_hand():
    shifted = (6, 0.3, 0.0, 0.0)
    other = (7, 2.0, 0.4, 0.0)
    found = compare_predictions([graph(A, B), graph(shifted, other, C), graph(A)])
    assert found.f1.tolist() == [
        pytest.approx([1.0, 0.8, 2 / 3]),
        pytest.approx([0.8, 1.0, 0.5]),
        pytest.approx([2 / 3, 0.5, 1.0]),
    ]
    assert found.distance[0, 1] == pytest.approx(math.sqrt((0.09 + 0.16) / 2))
    assert [s.tolist() for s in found.support] == [[1.0, 0.5], [1.0, 0.5, 0.0], [1.0]]
    assert found.mean_f1 == pytest.approx((0.8 + 2 / 3 + 0.5) / 3)


def test_the_height_of_the_tip_counts_for_nothing():
    lifted = [graph((6, 0.0, 0.0, h), (8, 2.0, 0.0, h - 0.1), (1, 5.0, 5.0, h)) for h in (0.0, 0.8)]
    found = compare_predictions(lifted)
    assert found.mean_f1 == pytest.approx(1.0) and found.distance[0, 1] == pytest.approx(0.0, abs=1e-5)


def test_nothing_in_common_has_no_distance():
    found = compare_predictions([graph(A), graph(C)])
    assert math.isnan(found.distance[0, 1]) and found.to_dict()["distance"][0][1] is None
    assert found.mean_f1 == 0.0


def test_one_has_nothing_to_agree_with():
    with pytest.raises(InputError, match="two or more"):
        compare_predictions([graph(A)])
