import pytest
import torch

from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.generation import Generation, GenerationStep, load_calibration, with_confidence
from torch_afm.metrics import Calibration
from torch_afm.metrics.calibration import Platt
from torch_afm.utils import InputError


@pytest.fixture
def generation():
    """Two atoms, a bond of probability 0.75 between them."""
    stack = torch.zeros(1, 1, 1, 2, 2)
    graph = AFMData(
        z=torch.tensor([6, 1]),
        pos=torch.tensor([[0.0, 0, 0], [1, 0, 0]]),
        edge_index=torch.tensor([[0, 1], [1, 0]]),
    )
    probabilities = ([0.25, 0.125, 0.625], [0.5, 0.375, 0.125], [0.875, 0.125, 0.0])
    edges = (torch.empty(0), torch.tensor([0.75]), torch.tensor([0.5, 0.25]))
    steps = [
        GenerationStep(graph, stack, torch.tensor(p), torch.zeros(3), e)
        for p, e in zip(probabilities, edges, strict=True)
    ]
    return Generation(graph, steps, "stop", AtomClasses())


def test_probabilities_of_the_steps(generation):
    graph = with_confidence(generation)
    assert graph.confidence.tolist() == [0.75, 0.5]
    assert graph.bond_probability.tolist() == [0.75, 0.75]
    torch.testing.assert_close(graph.class_probabilities, torch.tensor([[1 / 6, 5 / 6], [0.75, 0.25]]))
    assert "confidence" not in generation.graph


def test_calibrated(generation):
    # Platt of a = 0, b = 0 calls everything one half.
    half = Platt(0.0, 0.0)
    graph = with_confidence(generation, Calibration(atom=half, label=half))
    assert graph.confidence.tolist() == [0.5, 0.5] and graph.bond_probability.tolist() == [0.75, 0.75]
    torch.testing.assert_close(graph.class_probabilities, torch.full((2, 2), 0.5))


def test_bonds_by_distance_and_deviations(generation):
    graph = AFMData(**generation.graph.to_dict())
    graph.confidence, graph.sigma = torch.tensor([0.5, 0.75]), torch.ones(2, 3)
    graph.class_probabilities = torch.tensor([[0.25, 0.75], [1.0, 0.0]])

    class Found:
        pass

    found = Found()
    found.graph = graph
    scored = with_confidence(found, Calibration(sigma=(1.0, 2.0, 3.0)))
    assert scored.bond_probability.tolist() == [0.375, 0.375]
    assert scored.sigma.tolist() == [[1, 2, 3]] * 2
    graph.bond_probability = torch.tensor([0.25, 0.25])
    assert with_confidence(found).bond_probability.tolist() == [0.25, 0.25]
    torch.testing.assert_close(
        with_confidence(found, Calibration(label=Platt(2.0, 0.0))).class_probabilities.sum(1), torch.ones(2)
    )


def test_nothing_found():
    generation = Generation(AFMData.empty(), [], "stop", AtomClasses())
    graph = with_confidence(generation, Calibration(atom=Platt(2.0, 1.0)))
    assert graph.confidence.shape == (0,) and graph.class_probabilities.shape == (0, 2)
    assert graph.bond_probability.shape == (0,)


def test_calibration_beside_the_weights(tmp_path):
    assert load_calibration(tmp_path) == Calibration()
    made = Calibration(bond=Platt(2.0, -1.0))
    made.save(tmp_path / "calibration.json")
    assert load_calibration(tmp_path) == made
    (tmp_path / "calibration.json").write_text("{}")
    with pytest.raises(InputError, match="calibration"):
        load_calibration(tmp_path)
