import json

import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.metrics import Calibration
from torch_afm.metrics.calibration import Platt
from torch_afm.models import Proposal, Step
from torch_afm.prediction import Prediction, load_calibration
from torch_afm.prediction.atoms import no_atoms
from torch_afm.prediction.result import mean_pearson
from torch_afm.utils import InputError

CLASSES = AtomClasses()


@pytest.fixture
def graph():
    """Two atoms, a bond of probability 0.75 between them."""
    return AFMData(
        z=torch.tensor([6, 1]),
        pos=torch.tensor([[0.0, 0, 0], [1, 0, 0]]),
        charge=torch.zeros(2),
        edge_index=torch.tensor([[1, 0], [0, 1]]),
        bond_probability=torch.tensor([0.75, 0.75]),
        confidence=torch.tensor([0.75, 0.5]),
        class_probabilities=torch.tensor([[0.25, 0.75], [0.75, 0.25]]),
    )


def predicted(graph, **more):
    steps = [
        Step(graph, torch.ones(1, 1, 1, 2, 2), Proposal(no_atoms(CLASSES), 0.875, True), no_atoms(CLASSES))
    ]
    return Prediction(graph, no_atoms(CLASSES), steps, "stop", CLASSES, Scan(), Tip(), 8.0, **more)


def test_calibrated(graph):
    # Platt of a = 0, b = 0 calls everything one half.
    half = Platt(0.0, 0.0)
    found = predicted(graph).calibrated(Calibration(atom=half, label=half))
    assert found.confidence.tolist() == [0.5, 0.5] and found.bond_probability.tolist() == [0.75, 0.75]
    torch.testing.assert_close(found.class_probabilities, torch.full((2, 2), 0.5))
    assert graph.confidence.tolist() == [0.75, 0.5] and "sigma" not in found


def test_the_best_class_is_corrected_and_the_rest_in_proportion(graph):
    found = predicted(graph).calibrated(Calibration(label=Platt(2.0, 0.0)))
    torch.testing.assert_close(found.class_probabilities.sum(1), torch.ones(2))
    torch.testing.assert_close(found.class_probabilities, torch.tensor([[0.1, 0.9], [0.9, 0.1]]))


def test_what_a_certain_class_loses_goes_to_the_others(graph):
    graph.class_probabilities = torch.tensor([[0.0, 1.0], [0.75, 0.25]])
    found = predicted(graph).calibrated(Calibration(label=Platt(1.0, 0.0, edge=0.125)))
    torch.testing.assert_close(found.class_probabilities, torch.tensor([[0.125, 0.875], [0.75, 0.25]]))


@pytest.mark.parametrize("helped", [None, False, True])
def test_deviations_of_a_refinement_are_left_alone(graph, helped):
    class Refinement:
        pass

    graph.sigma, refinement = torch.ones(2, 3), None
    if helped is not None:
        refinement = Refinement()
        refinement.accepted = helped
    found = predicted(graph, refinement=refinement)
    assert found.refined is bool(helped)
    sigma = found.calibrated(Calibration(sigma=(1.0, 2.0, 3.0))).sigma
    assert sigma.tolist() == ([[1, 1, 1]] * 2 if helped else [[1, 2, 3]] * 2)


def test_nothing_found():
    found = predicted(no_atoms(CLASSES)).calibrated(Calibration(atom=Platt(2.0, 1.0)))
    assert found.confidence.shape == (0,) and found.class_probabilities.shape == (0, 2)
    assert found.bond_probability.shape == (0,)


def test_plain_numbers(graph):
    plain = json.loads(
        json.dumps(predicted(predicted(graph).calibrated(Calibration(bond=Platt(0.0, 0.0)))).to_dict())
    )
    assert plain["classes"] == ["stop", "H", "heavy"] and plain["ended"] == "stop" and plain["context"] == []
    assert plain["atoms"][0] == {
        "element": "C",
        "class": "heavy",
        "pos": [0.0, 0.0, 0.0],
        "confidence": 0.75,
        "class_probabilities": {"H": 0.25, "heavy": 0.75},
    }
    assert plain["bonds"] == [[0, 1]] and plain["bond_probabilities"] == [0.5]
    assert plain["steps"] == [{"atoms_before": 2, "added": 0, "stop": 0.875}]
    assert predicted(graph).to_dict()["bond_probabilities"] == [0.75] and "bond_orders" not in plain
    graph.bond_order = torch.tensor([1.5, 1.5])
    assert predicted(graph).to_dict()["bond_orders"] == [1.5]


def test_calibration_beside_the_weights(tmp_path):
    assert load_calibration(tmp_path) == Calibration()
    made = Calibration(bond=Platt(2.0, -1.0))
    made.save(tmp_path / "calibration.json")
    assert load_calibration(tmp_path) == made
    (tmp_path / "calibration.json").write_text("{}")
    with pytest.raises(InputError, match="calibration"):
        load_calibration(tmp_path)


def test_pearson_is_the_mean_of_the_slices():
    a = torch.randn(1, 1, 2, 5, 5, generator=torch.manual_seed(0))
    b = torch.stack([2 * a[0, 0, 0] + 1, -a[0, 0, 1]])[None, None]
    assert mean_pearson(a, b) == pytest.approx(0, abs=1e-6)
    assert mean_pearson(a, 3 * a) == pytest.approx(1)
