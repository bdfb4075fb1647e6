"""The generation loop, against a network that says what a script tells it to and against a real one."""

import json
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from torch_afm.config import GraphGeneratorConfig, Scan, Tip
from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.generation import generate_greedy
from torch_afm.models import GraphGenerator
from torch_afm.ppm import ProbeParticleModel
from torch_afm.transforms import NormalizeSlices
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt

SCAN = Scan(window=((-4.0, 4.0), (-4.0, 4.0)), pixels=(12, 10), n_slices=3)
Z_TOP = 9.0


class Script(nn.Module):
    """A network that predicts the given ``(class, position, bonded)`` one after the other, then stop."""

    def __init__(self, *lines: tuple[int, tuple[float, float, float], tuple[int, ...]]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.classes = AtomClasses()
        self.config = SimpleNamespace(scan=SCAN)
        self.lines = [*lines, (0, (0.0, 0.0, 0.0), ())]
        self.encoded: list[Tensor] = []
        self.seen: list[Batch] = []
        self.modes: list[bool] = []

    def encode_reference(self, stack: Tensor) -> tuple[Tensor]:
        self.encoded.append(stack)
        return (stack,)

    def step(self, features: tuple[Tensor], batch: Batch) -> SimpleNamespace:
        label, pos, bonded = self.lines[min(len(self.seen), len(self.lines) - 1)]
        self.seen.append(batch)
        self.modes.append(self.training)
        logits = torch.zeros(1, 3)
        logits[0, label] = 2.0
        edges = torch.full((batch.z.numel(),), -0.1)
        edges[list(bonded)] = 0.1  # either side of a probability of 0.5
        return SimpleNamespace(class_logits=logits, pos=torch.tensor([pos]), edge_logits=edges)


@pytest.fixture(scope="module")
def renderer() -> ProbeParticleModel:
    return ProbeParticleModel(SCAN, Tip())


@pytest.fixture
def reference(renderer: ProbeParticleModel) -> Tensor:
    return renderer(AFMData(z=torch.tensor([8]), pos=torch.zeros(1, 3)), z_top=Z_TOP)


def run(model, reference, renderer, **kwargs):
    return generate_greedy(model, reference, renderer, Z_TOP, **kwargs)


def test_builds_the_graph_that_the_network_describes(renderer, reference):
    """Class 1 becomes H, class 2 becomes C; bonds in both directions; charges zero."""
    model = Script((2, (0.0, 0.0, 0.0), ()), (1, (1.0, 0.0, -0.1), (0,)), (2, (-1.4, 0.0, -0.2), (0,)))
    generation = run(model, reference, renderer)
    graph = generation.graph
    assert generation.ended == "stop"
    assert graph.z.tolist() == [6, 1, 6]
    torch.testing.assert_close(graph.pos, torch.tensor([[0, 0, 0], [1, 0, -0.1], [-1.4, 0, -0.2]]))
    assert sorted(map(tuple, graph.edge_index.t().tolist())) == [(0, 1), (0, 2), (1, 0), (2, 0)]
    assert graph.charge.tolist() == [0.0, 0.0, 0.0]
    assert [s.graph.z.numel() for s in generation.steps] == [0, 1, 2, 3]
    assert [s.label for s in generation.steps] == [2, 1, 2, 0]
    for step in generation.steps:
        assert float(step.class_probabilities.sum()) == pytest.approx(1.0)
        assert step.edge_probabilities.shape == (step.graph.z.numel(),)


def test_each_step_sees_the_render_of_the_graph_so_far(renderer, reference):
    model = Script((2, (0.5, 0.0, 0.0), ()), (2, (-0.9, 0.0, 0.0), (0,)))
    tip = Tip(tilt=(0.3, -0.2))
    generation = run(model, reference, renderer, tip=tip)
    atoms = torch.tensor([[0.5, 0.0, 0.0], [-0.9, 0.0, 0.0]])
    assert torch.count_nonzero(generation.steps[0].simulated - generation.steps[0].simulated.mean()) == 0
    assert torch.count_nonzero(model.seen[0].simulated) == 0
    for n in (1, 2):
        expected = renderer(AFMData(z=torch.full((n,), 6), pos=atoms[:n]), tip, Z_TOP)
        assert float(expected.std()) > 0.1
        torch.testing.assert_close(generation.steps[n].simulated, expected)
        torch.testing.assert_close(model.seen[n].simulated, NormalizeSlices()(expected))
        torch.testing.assert_close(model.seen[n].pos, atoms[:n])
    torch.testing.assert_close(generation.simulated, expected)


def test_the_reference_is_normalised_and_encoded_once(renderer, reference):
    model = Script((2, (0.0, 0.0, 0.0), ()), (2, (1.4, 0.0, 0.0), ()))
    run(model, reference, renderer)
    (encoded,) = model.encoded
    mean, std = encoded.mean((-2, -1)), encoded.std((-2, -1), correction=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-5, rtol=0)
    torch.testing.assert_close(std, torch.ones_like(std), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("distance", "ended"), [(0.49, "repeat"), (0.51, "stop")])
def test_an_atom_on_an_old_one_ends_it(renderer, reference, distance, ended):
    """The thesis' generator repeated itself; 0.5 Å decides, measured in three dimensions."""
    offset = distance / 3**0.5
    model = Script((2, (1.0, 1.0, -0.1), ()), (1, (1.0 + offset, 1.0 - offset, -0.1 - offset), (0,)))
    generation = run(model, reference, renderer)
    assert generation.ended == ended
    assert generation.graph.z.numel() == (1 if ended == "repeat" else 2)
    assert len(generation.steps) == (2 if ended == "repeat" else 3)


def test_a_network_that_never_stops_is_cut_off(renderer, reference):
    model = Script(*[(2, (0.7 * i, 0.0, 0.0), ()) for i in range(10)])
    generation = run(model, reference, renderer, max_atoms=4)
    assert generation.ended == "max_atoms"
    assert generation.graph.z.numel() == 4
    assert generation.steps[-1].graph is generation.graph


def test_stopping_at_the_limit_counts_as_a_stop(renderer, reference):
    model = Script((2, (0.0, 0.0, 0.0), ()), (2, (1.4, 0.0, 0.0), ()))
    assert run(model, reference, renderer, max_atoms=2).ended == "stop"


@pytest.mark.parametrize("training", [True, False])
def test_runs_in_evaluation_mode_and_restores_the_mode(renderer, reference, training):
    model = Script((2, (0.0, 0.0, 0.0), ())).train(training)
    run(model, reference, renderer)
    assert model.modes == [False, False]
    assert model.training is training


def test_restores_the_mode_after_a_failure(renderer, reference):
    model = Script((2, (float("nan"), 0.0, 0.0), ())).train()
    with pytest.raises(InputError, match="model: prediction: expected finite"):
        run(model, reference, renderer)
    assert model.training


def test_to_dict_is_json_and_tells_the_whole_story(renderer, reference):
    model = Script((2, (0.0, 0.0, 0.0), ()), (1, (1.0, 0.0, -0.5), (0,)), (1, (1.0, 0.1, -0.5), ()))
    story = json.loads(json.dumps(run(model, reference, renderer).to_dict()))
    assert story["ended"] == "repeat"
    assert story["classes"] == ["stop", "H", "heavy"]
    assert [(a["element"], a["class"], a["pos"]) for a in story["atoms"]] == [
        ("C", "heavy", [0.0, 0.0, 0.0]),
        ("H", "H", [1.0, 0.0, -0.5]),
    ]
    assert story["bonds"] == [[0, 1]]
    assert [s["class"] for s in story["steps"]] == ["heavy", "H", "H"]
    assert [len(s["edge_probabilities"]) for s in story["steps"]] == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r[:, :, :2], "reference: expected shape"),
        (lambda r: r[0], "reference: expected shape"),
        (lambda r: r * float("nan"), "reference: expected finite"),
    ],
)
def test_refuses_a_bad_reference(renderer, reference, change, message):
    with pytest.raises(InputError, match=message):
        run(Script(), change(reference), renderer)


def test_refuses_a_scan_that_the_model_was_not_made_for(renderer, reference):
    model = Script()
    model.config = SimpleNamespace(scan=Scan(window=SCAN.window, pixels=(12, 12), n_slices=3))
    with pytest.raises(InputError, match="renderer: expected stacks of shape"):
        run(model, reference, renderer)


def test_goes_on_where_the_network_puts_an_atom_above_the_probe(renderer, reference):
    generation = run(Script((2, (0.0, 0.0, 0.0), ()), (2, (0.0, 0.0, 7.0), ())), reference, renderer)
    assert generation.ended == "stop" and generation.graph.z.numel() == 2
    with pytest.raises(InputError, match="z_top, distance"):
        renderer(generation.graph, z_top=Z_TOP)


@pytest.mark.parametrize("z_top", [3.9, -3.0, float("nan")])
def test_refuses_a_height_at_which_the_probe_is_below_the_top_atom(renderer, reference, z_top):
    with pytest.raises(InputError, match="z_top"):
        generate_greedy(Script(), reference, renderer, z_top)


def test_refuses_a_negative_limit(renderer, reference):
    with pytest.raises(InputError, match="max_atoms"):
        run(Script(), reference, renderer, max_atoms=-1)


@pytest.fixture(scope="module")
def untrained() -> GraphGenerator:
    torch.manual_seed(0)
    return GraphGenerator(GraphGeneratorConfig.preset("small"))


def test_an_untrained_network_end_to_end(untrained):
    """Stepwise generation equals the network's own forward pass on each intermediate graph, and is
    deterministic."""
    renderer = ProbeParticleModel(untrained.config.scan, Tip())
    water = AFMData(
        z=torch.tensor([8, 1, 1]), pos=torch.tensor([[0, 0, 0], [0.96, 0, -0.1], [-0.24, 0.93, -0.1]])
    )
    reference = renderer(water, z_top=Z_TOP)
    first, second = (generate_greedy(untrained, reference, renderer, Z_TOP, max_atoms=3) for _ in range(2))
    assert first.to_dict() == second.to_dict()
    untrained.eval()
    normalize = NormalizeSlices()
    for step in first.steps:
        query = step.graph.clone()
        query.reference, query.simulated = normalize(reference), normalize(step.simulated)
        out = untrained(Batch.from_data_list([query]))
        torch.testing.assert_close(out.class_logits[0].softmax(-1), step.class_probabilities)
        torch.testing.assert_close(out.pos[0], step.pos)
        torch.testing.assert_close(out.edge_logits.sigmoid(), step.edge_probabilities)
