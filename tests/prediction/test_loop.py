"""The generation loop, with networks that follow a script, that know the truth, and with real ones."""

import dataclasses
import json
import math

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch

from tests.prediction.networks import SCAN, THIN, Z_TOP, Oracle, Script, by_place
from torch_afm.config import SequentialGeneratorConfig, Tip, generator_config
from torch_afm.data import AFMData, covalent_bonds, from_smiles
from torch_afm.functional import normalize_slices
from torch_afm.metrics import match_atoms
from torch_afm.models import SequentialGenerator, SpatialGenerator
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.prediction import generate
from torch_afm.testing import benzene
from torch_afm.transforms import Orient, best_rotations
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt


@pytest.fixture(scope="module")
def thin_renderer() -> ProbeParticleModel:
    return ProbeParticleModel(THIN, Tip())


@pytest.fixture
def thin_reference(thin_renderer: ProbeParticleModel) -> Tensor:
    return thin_renderer(AFMData(z=torch.tensor([8]), pos=torch.zeros(1, 3)), z_top=Z_TOP)


def run(model, reference, renderer, **options):
    return generate(model, reference, renderer, Z_TOP, **options)


def test_builds_the_graph_that_the_network_describes(thin_renderer, thin_reference):
    """Class 1 becomes H, class 2 becomes C; bonds in both directions; charges zero."""
    model = Script((2, (0.0, 0.0, 0.0), ()), (1, (1.0, 0.0, -0.1), (0,)), (2, (-1.4, 0.0, -0.2), (0,)))
    generation = run(model, thin_reference, thin_renderer)
    graph = generation.graph
    assert generation.ended == "stop"
    assert graph.z.tolist() == [6, 1, 6]
    torch.testing.assert_close(graph.pos, torch.tensor([[0, 0, 0], [1, 0, -0.1], [-1.4, 0, -0.2]]))
    assert sorted(map(tuple, graph.edge_index.t().tolist())) == [(0, 1), (0, 2), (1, 0), (2, 0)]
    assert graph.charge.tolist() == [0.0, 0.0, 0.0]
    assert [s.graph.z.numel() for s in generation.steps] == [0, 1, 2, 3]
    assert [s.proposal.done for s in generation.steps] == [False, False, False, True]
    assert [s.added.z.tolist() for s in generation.steps] == [[6], [1], [6], []]
    for step in generation.steps:
        assert float(step.proposal.atoms.class_probabilities.sum()) == pytest.approx(1.0)
        assert step.proposal.bonds.shape == (1, step.graph.z.numel())


def test_the_network_is_shown_the_amplitude_of_the_scan(thin_reference, monkeypatch):
    scan = dataclasses.replace(THIN, n_oscillation=14)
    model, shown = Script((2, (0.0, 0.0, 0.0), ())), []
    propose = model.propose

    def noted(graphs, views):
        shown.extend(graph.amplitude for graph in graphs)
        return propose(graphs, views)

    monkeypatch.setattr(model, "propose", noted)
    run(model, thin_reference, ProbeParticleModel(scan, Tip()))
    assert len(shown) == 2
    torch.testing.assert_close(torch.cat(shown), torch.full((2,), 14 * THIN.dz))


def test_what_the_network_is_sure_of_stays_with_the_graph(thin_renderer, thin_reference):
    """Logits of 2 and twice 0: e², 1, 1; edges of 0.1."""
    model = Script((2, (0.0, 0.0, 0.0), ()), (1, (1.0, 0.0, -0.1), (0,)))
    graph = run(model, thin_reference, thin_renderer).graph
    sure, total = math.e**2, math.e**2 + 2
    torch.testing.assert_close(graph.confidence, torch.full((2,), 1 - 1 / total))
    expected = torch.tensor([[1 / (sure + 1), sure / (sure + 1)], [sure / (sure + 1), 1 / (sure + 1)]])
    torch.testing.assert_close(graph.class_probabilities, expected)
    torch.testing.assert_close(graph.bond_probability, torch.full((2,), 1 / (1 + math.exp(-0.1))))
    assert "sigma" not in graph


def test_each_step_sees_the_render_of_the_graph_so_far(thin_renderer, thin_reference):
    model = Script((2, (0.5, 0.0, 0.0), ()), (2, (-0.9, 0.0, 0.0), (0,)))
    tip = Tip(tilt=(0.3, -0.2))
    generation = run(model, thin_reference, ProbeParticleModel(thin_renderer.scan, tip))
    atoms = torch.tensor([[0.5, 0.0, 0.0], [-0.9, 0.0, 0.0]])
    assert torch.count_nonzero(generation.steps[0].simulated - generation.steps[0].simulated.mean()) == 0
    assert torch.count_nonzero(model.seen[0].simulated) == 0
    for n in (1, 2):
        expected = thin_renderer(AFMData(z=torch.full((n,), 6), pos=atoms[:n]), tip, Z_TOP)
        assert float(expected.std()) > 0.1
        torch.testing.assert_close(generation.steps[n].simulated, expected)
        torch.testing.assert_close(model.seen[n].simulated, normalize_slices(expected))
        torch.testing.assert_close(model.seen[n].pos, atoms[:n])
    torch.testing.assert_close(generation.simulated, expected)


def test_the_reference_is_normalized(thin_renderer, thin_reference):
    model = Script((2, (0.0, 0.0, 0.0), ()), (2, (1.4, 0.0, 0.0), ()))
    run(model, thin_reference, thin_renderer)
    assert all(torch.equal(batch.reference, model.seen[0].reference) for batch in model.seen)
    encoded = model.seen[0].reference
    mean, std = encoded.mean((-2, -1)), encoded.std((-2, -1), correction=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-5, rtol=0)
    torch.testing.assert_close(std, torch.ones_like(std), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("distance", "ended"), [(0.49, "repeat"), (0.51, "stop")])
def test_an_atom_on_an_old_one_ends_it(thin_renderer, thin_reference, distance, ended):
    """The thesis' generator repeated itself; 0.5 Å decides, measured in three dimensions."""
    offset = distance / 3**0.5
    model = Script((2, (1.0, 1.0, -0.1), ()), (1, (1.0 + offset, 1.0 - offset, -0.1 - offset), (0,)))
    generation = run(model, thin_reference, thin_renderer)
    assert generation.ended == ended
    assert generation.graph.z.numel() == (1 if ended == "repeat" else 2)
    assert len(generation.steps) == (2 if ended == "repeat" else 3)


def test_a_network_that_never_stops_is_cut_off(thin_renderer, thin_reference):
    model = Script(*[(2, (0.7 * i, 0.0, 0.0), ()) for i in range(10)])
    generation = run(model, thin_reference, thin_renderer, max_atoms=4)
    assert generation.ended == "max_atoms"
    assert generation.graph.z.numel() == 4
    assert torch.equal(generation.steps[-1].graph.pos, generation.graph.pos)
    assert generation.steps[-1].refused.tolist() == [pytest.approx([2.8, 0.0, 0.0])]


def test_stopping_at_the_limit_counts_as_a_stop(thin_renderer, thin_reference):
    model = Script((2, (0.0, 0.0, 0.0), ()), (2, (1.4, 0.0, 0.0), ()))
    assert run(model, thin_reference, thin_renderer, max_atoms=2).ended == "stop"


@pytest.mark.parametrize("training", [True, False])
def test_runs_in_evaluation_mode_and_restores_the_mode(thin_renderer, thin_reference, training):
    model = Script((2, (0.0, 0.0, 0.0), ())).train(training)
    run(model, thin_reference, thin_renderer)
    assert model.modes == [False, False]
    assert model.training is training


def test_restores_the_mode_after_a_failure(thin_renderer, thin_reference):
    model = Script((2, (float("nan"), 0.0, 0.0), ())).train()
    with pytest.raises(InputError, match="model: prediction: expected finite"):
        run(model, thin_reference, thin_renderer)
    assert model.training


def test_to_dict_is_json_and_tells_the_whole_story(thin_renderer, thin_reference):
    model = Script((2, (0.0, 0.0, 0.0), ()), (1, (1.0, 0.0, -0.5), (0,)), (1, (1.0, 0.1, -0.5), ()))
    story = json.loads(json.dumps(run(model, thin_reference, thin_renderer).to_dict()))
    assert story["ended"] == "repeat"
    assert story["classes"] == ["stop", "H", "heavy"]
    assert [(a["element"], a["class"], a["pos"]) for a in story["atoms"]] == [
        ("C", "heavy", [0.0, 0.0, 0.0]),
        ("H", "H", [1.0, 0.0, -0.5]),
    ]
    assert story["bonds"] == [[0, 1]]
    assert [(s["atoms_before"], s["added"]) for s in story["steps"]] == [(0, 1), (1, 1), (2, 0)]
    assert all(s["stop"] == pytest.approx(1 / (math.e**2 + 2)) for s in story["steps"])
    assert story["context"] == [] and story["bond_probabilities"] == [pytest.approx(0.525, abs=1e-3)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r[:, :, :2], "reference: expected shape"),
        (lambda r: r[0], "reference: expected shape"),
        (lambda r: r * float("nan"), "reference: expected finite"),
    ],
)
def test_refuses_a_bad_reference(thin_renderer, thin_reference, change, message):
    with pytest.raises(InputError, match=message):
        run(Script(), change(thin_reference), thin_renderer)


def test_refuses_a_scan_that_the_model_was_not_made_for(thin_renderer, thin_reference):
    model = Script()
    model.config = SequentialGeneratorConfig(scan=dataclasses.replace(THIN, pixels=(12, 12)))
    with pytest.raises(InputError, match="renderer: expected stacks of shape"):
        run(model, thin_reference, thin_renderer)


def test_goes_on_where_the_network_puts_an_atom_above_the_probe(thin_renderer, thin_reference):
    generation = run(
        Script((2, (0.0, 0.0, 0.0), ()), (2, (0.0, 0.0, 7.0), ())), thin_reference, thin_renderer
    )
    assert generation.ended == "stop" and generation.graph.z.numel() == 2
    with pytest.raises(InputError, match="z_top, distance"):
        thin_renderer(generation.graph, z_top=Z_TOP)


@pytest.mark.parametrize("z_top", [3.9, -3.0, float("nan")])
def test_refuses_a_height_at_which_the_probe_is_below_the_top_atom(thin_renderer, thin_reference, z_top):
    with pytest.raises(InputError, match="z_top"):
        generate(Script(), thin_reference, thin_renderer, z_top)


@pytest.fixture(scope="module")
def untrained() -> SequentialGenerator:
    torch.manual_seed(0)
    return SequentialGenerator(generator_config("small"))


def test_an_untrained_network_end_to_end(untrained):
    """Stepwise generation equals the network's own forward pass on each intermediate graph, and is
    deterministic."""
    renderer = ProbeParticleModel(untrained.config.scan, Tip())
    water = AFMData(
        z=torch.tensor([8, 1, 1]), pos=torch.tensor([[0, 0, 0], [0.96, 0, -0.1], [-0.24, 0.93, -0.1]])
    )
    reference = renderer(water, z_top=Z_TOP)
    first, second = (generate(untrained, reference, renderer, Z_TOP, max_atoms=3) for _ in range(2))
    assert first.to_dict() == second.to_dict()
    untrained.requires_grad_(False).eval()
    for step in first.steps:
        query = step.graph.clone()
        query.reference, query.simulated = normalize_slices(reference), normalize_slices(step.simulated)
        out = untrained(Batch.from_data_list([query]))
        probabilities = out.class_logits[0].softmax(-1)
        assert step.proposal.stop == pytest.approx(float(probabilities[0]))
        torch.testing.assert_close(out.pos, step.proposal.atoms.pos)
        torch.testing.assert_close(out.edge_logits.sigmoid()[None], step.proposal.bonds)


@pytest.fixture(scope="module")
def renderer() -> ProbeParticleModel:
    return ProbeParticleModel(SCAN)


@pytest.fixture(scope="module")
def reference(renderer):
    return renderer(benzene(), z_top=Z_TOP)


def run_maps(model, reference, renderer, **options):
    return run(model, reference, renderer, **{"views": 1, "revisions": 0} | options)


@pytest.mark.parametrize("each", [None, 1, 5])
def test_all_atoms_are_recovered_exactly(each, reference, renderer):
    truth = benzene()
    model = Oracle(truth)
    generation = run_maps(model, reference, renderer, atoms_per_step=each)
    graph = generation.graph
    assert generation.ended == "stop" and generation.context.z.numel() == 0
    assert by_place(graph.z, graph.pos) == by_place(truth.z, truth.pos)
    expected = covalent_bonds(graph.z, graph.pos).T.tolist()
    assert sorted(graph.edge_index.T.tolist()) == sorted(expected) and len(expected) == 24
    torch.testing.assert_close(graph.bond_probability, torch.full((24,), 1 / (1 + math.exp(-4))))
    torch.testing.assert_close(graph.sigma, torch.tensor([[0.1, 0.2, 0.3]] * 12))
    torch.testing.assert_close(graph.confidence, torch.full((12,), 1 / (1 + math.exp(-4))), atol=1e-3, rtol=0)
    assert torch.equal(graph.class_probabilities.argmax(dim=1), model.classes.index_of(graph.z) - 1)
    counts = [step.added.z.numel() for step in generation.steps]
    assert sum(counts) == 12 and counts[-1] == 0 and len(counts) == {None: 2, 1: 13, 5: 4}[each]


def test_maps_are_made_of_the_render_of_the_graph_so_far(reference, renderer):
    model = Oracle(benzene())
    generation = run_maps(model, reference, renderer, atoms_per_step=4)
    for step, seen in zip(generation.steps, model.seen, strict=True):
        expected = renderer(AFMData(z=step.graph.z, pos=step.graph.pos), z_top=Z_TOP)
        torch.testing.assert_close(step.simulated, expected)
        torch.testing.assert_close(seen.simulated, normalize_slices(expected))
        torch.testing.assert_close(seen.reference, normalize_slices(reference))
        assert torch.equal(seen.pos, step.graph.pos)
    assert torch.equal(generation.simulated, generation.steps[-1].simulated)


def test_atoms_above_each_other_come_one_after_the_other(reference, renderer):
    truth = AFMData(z=torch.tensor([6, 6]), pos=torch.tensor([[0.3, 0.2, 0.0], [0.3, 0.3, -0.6]]))
    generation = run_maps(Oracle(truth), reference, renderer)
    assert [step.added.z.numel() for step in generation.steps] == [1, 1, 0]
    assert by_place(generation.graph.z, generation.graph.pos) == by_place(truth.z, truth.pos)


def test_context_is_split_off(reference, renderer):
    pos = torch.tensor([[0.3, 0.2, 0.0], [1.8, 0.3, -1.0], [-1.8, 0.3, -0.69]])
    generation = run_maps(Oracle(AFMData(z=torch.tensor([6, 6, 1]), pos=pos)), reference, renderer)
    assert by_place(generation.graph.z, generation.graph.pos) == by_place(torch.tensor([6, 1]), pos[[0, 2]])
    torch.testing.assert_close(generation.context.pos, pos[1:2])
    assert generation.steps[-1].graph.z.numel() == 3
    story = json.loads(json.dumps(generation.to_dict()))
    assert len(story["atoms"]) == 2 and len(story["context"]) == 1
    assert story["context"][0]["element"] == "C" and len(story["context"][0]["sigma"]) == 3


def test_no_atom_is_ever_placed_on_another(reference, renderer):
    model = Oracle(benzene(), stop=False, blind=True)
    generation = run_maps(model, reference, renderer)
    assert generation.ended == "repeat" and generation.graph.z.numel() == 12
    assert torch.pdist(generation.graph.pos).min() > 0.5
    # H and C of one place are two names for one atom.
    both = AFMData(z=torch.tensor([1, 6]), pos=torch.tensor([[0.3, 0.2, 0.0], [0.3, 0.3, 0.1]]))
    generation = run_maps(Oracle(both, logit=-0.2), reference, renderer)
    assert generation.graph.z.numel() == 1
    assert float(generation.graph.confidence) == pytest.approx(2 / (1 + math.exp(0.2)), rel=1e-3)
    torch.testing.assert_close(generation.graph.class_probabilities, torch.tensor([[0.5, 0.5]]))


def test_how_maps_end(reference, renderer):
    assert run_maps(Oracle(benzene(), stop=False), reference, renderer).ended == "stop"  # nothing more to see
    full = run_maps(Oracle(benzene()), reference, renderer, max_atoms=5)
    assert full.ended == "max_atoms" and full.graph.z.numel() == 5
    unsure = run_maps(Oracle(benzene(), logit=0.0), reference, renderer, confidence=0.6)
    assert unsure.ended == "stop" and unsure.graph.z.numel() == 0


def test_revisions_move_and_remove(reference, renderer):
    truth = benzene()
    truth.pos[:, 2] = -0.01 * torch.arange(12)
    plain = run_maps(Oracle(truth), reference, renderer)
    revised = run_maps(Oracle(truth), reference, renderer, revisions=2)
    assert len(revised.steps) == len(plain.steps) + 2
    assert by_place(revised.graph.z, revised.graph.pos) == by_place(plain.graph.z, plain.graph.pos)
    # Seen in every pass, and believed in by none.
    doubted = run_maps(Oracle(truth, doubted=-0.03), reference, renderer, revisions=2, max_atoms=30)
    assert doubted.graph.z.numel() == 11 or doubted.ended == "passes"

    class Drifting(Oracle):
        def of_graph(self, data):
            away = torch.tensor([0.1, 0.0, 0.0]).expand(len(data.z), 3)
            return super().of_graph(data)._replace(move=away, real=torch.full((len(data.z),), 4.0))

    drifted = run_maps(Drifting(truth, blind=True), reference, renderer, revisions=3)
    moved = match_atoms(drifted.graph.pos, truth.pos, 0.5)
    shift = drifted.graph.pos[moved.pred] - truth.pos[moved.true]
    torch.testing.assert_close(shift, torch.tensor([0.3, 0.0, 0.0]).expand(12, 3))


def test_the_shipped_weights_find_most_atoms():
    model = SpatialGenerator.from_pretrained("spatial")
    ppm = ProbeParticleModel(model.config.scan)
    found = there = 0
    for smiles in ("CC(=O)OCC(C)C", "CC(C)Cc1ccccc1", "NC1CCCCC1", "COc1ccccc1C", "CCCCC(=O)CC", "CC(C)CCS"):
        molecule = from_smiles(smiles)
        truth = Orient(best_rotations(molecule.pos, n=1)[0])(molecule)
        z_top = float(anchor_height(truth, ppm.scan, ppm.tip))
        graph = generate(model, ppm(truth, z_top=z_top), ppm, z_top).graph
        visible = truth.pos[truth.pos[:, 2] >= model.config.z_min]
        found += match_atoms(graph.pos, visible, 0.5).pred.numel()
        there += (len(graph.pos) + len(visible)) / 2
    assert found / there > 0.6
