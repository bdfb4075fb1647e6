import dataclasses

import pytest
import torch

from torch_afm.config import Scan
from torch_afm.data import AFMData, from_smiles, remove_atoms
from torch_afm.elements import AtomClasses
from torch_afm.evaluation import baselines, draw_trial, evaluate_predictions, score_trial
from torch_afm.generation import Prediction
from torch_afm.generation.atoms import no_atoms
from torch_afm.models import Proposal, Step
from torch_afm.ppm import ProbeParticleModel
from torch_afm.utils import InputError

CLASSES = AtomClasses()


@pytest.fixture(scope="module")
def renderer():
    return ProbeParticleModel(Scan(pixels=(16, 16), n_slices=3, window=((-5.0, 5.0), (-5.0, 5.0))))


@pytest.fixture(scope="module")
def trial(renderer):
    return draw_trial(from_smiles("CCO"), 4, renderer)


def _found(graph, renderer, z_top):
    stack, n = renderer(graph, z_top=z_top), graph.z.numel()
    graph.confidence, graph.class_probabilities = torch.full((n,), 0.1), torch.full((n, 2), 0.5)
    graph.bond_probability = torch.full((graph.edge_index.size(1),), 0.75)
    step = Step(graph, stack, Proposal(no_atoms(CLASSES), 0.9, True), no_atoms(CLASSES))
    return predicted(graph, [step] * (n + 1), renderer)


def predicted(graph, steps, renderer, context=None):
    context = AFMData.empty() if context is None else context
    return Prediction(graph, context, steps, "stop", CLASSES, renderer.scan, renderer.tip, 9.0)


def test_a_trial_is_drawn_once_and_for_all(trial, renderer):
    again = draw_trial(from_smiles("CCO"), 4, renderer)
    assert torch.equal(again.reference, trial.reference) and again.tip == trial.tip
    assert float(trial.truth.pos[:, 2].max()) == pytest.approx(0, abs=1e-6)
    assert trial.tip != renderer.tip and trial.height != trial.z_top
    direct = renderer(trial.truth, tip=trial.tip, z_top=trial.height)
    assert torch.equal(direct, trial.reference) and not torch.equal(trial.again, trial.reference)
    assert not torch.equal(draw_trial(from_smiles("CCO"), 4, renderer, seed=1).reference, trial.reference)
    with pytest.raises(InputError, match="orientation"):
        draw_trial(from_smiles("CCO"), 4, renderer, "worst")


def test_the_truth_scores_fully(trial, renderer):
    visible = remove_atoms(trial.truth, trial.truth.pos[:, 2] < -0.7)
    order = visible.pos[:, 2].argsort(descending=True)
    number = order.argsort()
    graph = AFMData(
        z=visible.z[order],
        pos=visible.pos[order],
        edge_index=number[visible.edge_index],
        charge=torch.zeros(len(order)),
    )
    record = score_trial(
        trial, _found(graph, renderer, trial.z_top), renderer, CLASSES, -0.7, seconds=1.5
    ).to_dict()
    n = len(order)
    assert record["atoms"] == [n, n] and record["matched"]["aware"] == [n, n, n]
    assert record["edits"] == 0 and record["first_is_top"] and not any(record["failures"].values())
    assert record["bonds"][0] == record["bonds"][2] and record["seconds"] == 1.5
    assert record["calibration"]["atom"] == [pytest.approx([0.1] * n), [1] * n]
    # Not the image of all atoms, but nearer to it than nothing is.
    assert record["images"]["prediction"]["mse"] < record["images"]["empty"]["mse"]
    assert "context" not in record


def test_images_are_rendered_with_the_tip_of_the_reference(trial, renderer):
    whole = AFMData(**{**trial.truth.to_dict(), "charge": torch.zeros(trial.truth.z.numel())})
    record = score_trial(trial, _found(whole, renderer, trial.z_top), renderer, CLASSES, -9.0).to_dict()
    expected = renderer(whole, tip=trial.tip, z_top=trial.height)
    mse = (expected - trial.reference).square().mean(dim=(0, 1, 3, 4))
    assert record["images"]["prediction"]["mse"] == pytest.approx(mse.tolist(), rel=1e-4)


def test_context_is_scored_apart(trial, renderer):
    deep = trial.truth.pos[:, 2] < -0.7

    made = _found(remove_atoms(trial.truth, deep), renderer, trial.z_top)
    found = predicted(made.graph, made.steps, renderer, remove_atoms(trial.truth, ~deep))
    record = score_trial(trial, found, renderer, CLASSES, -0.7, z_context=-9.0).to_dict()
    assert record["context"] == [int(deep.sum())] * 3
    assert record["atoms"][1] == int((~deep).sum())


def test_an_atom_that_was_refused_counts_as_placed(trial, renderer):
    """A network that repeats itself is said to: the repeated atom is among those in the order of placing."""
    pos = torch.tensor([[0.0, 0.0, 0.0]])
    graph = AFMData(z=torch.tensor([6]), pos=pos, charge=torch.zeros(1))
    graph.edge_index = torch.empty(2, 0, dtype=torch.long)
    found = _found(graph, renderer, trial.z_top)
    again = AFMData(z=graph.z, pos=pos + 0.1, charge=graph.charge)
    last = dataclasses.replace(found.steps[-1], proposal=Proposal(again, 0.1, False))
    repeated = dataclasses.replace(found, steps=[*found.steps[:-1], last], ended="stop")
    one, two = (score_trial(trial, p, renderer, CLASSES, -0.7).failures for p in (found, repeated))
    assert not one["repeats"] and two["repeats"]


def test_pipelines_see_the_same_stack(renderer):
    seen = []

    def one(reference, given, z_top):
        assert given is renderer
        seen.append(reference.clone())
        return predicted(AFMData.empty(), [], given)

    molecules = [(3, from_smiles("C")), (5, from_smiles("O"))]
    found = evaluate_predictions({"a": one, "b": one}, molecules, renderer, CLASSES, -0.7)
    assert torch.equal(seen[0], seen[1]) and torch.equal(seen[2], seen[3])
    assert not torch.equal(seen[0], seen[2])
    assert [r.molecule for r in found["b"].records] == [3, 5]
    table = found["a"].compute()["all"]
    assert table["f1"]["0.5"] == 0 and table["seconds"] >= 0


def test_what_is_in_the_file_is_not_computed_again(renderer, tmp_path):
    seen = []

    def drawn(reference, given, z_top):
        seen.append(z_top)
        graph = AFMData(z=torch.tensor([6]), pos=torch.rand(1, 3), charge=torch.zeros(1))
        graph.edge_index = torch.empty(2, 0, dtype=torch.long)
        return predicted(graph, [], given)

    molecules = [(3, from_smiles("C")), (5, from_smiles("O")), (8, from_smiles("N"))]
    whole = evaluate_predictions({"a": drawn}, molecules, renderer, CLASSES, -0.7)["a"].records
    file = tmp_path / "records.jsonl"
    for chosen, count in ((molecules[:1], 4), (molecules[::-1], 6)):
        torch.rand(5)  # what else is drawn does not matter
        found = evaluate_predictions({"a": drawn}, chosen, renderer, CLASSES, -0.7, file=file)["a"].records
        assert len(seen) == count
    for one, other in zip(found[::-1], whole, strict=True):
        assert one.to_dict() | {"seconds": None} == other.to_dict() | {"seconds": None}
    with pytest.raises(InputError, match="file: expected records of b, got others"):
        evaluate_predictions({"b": drawn}, molecules, renderer, CLASSES, -0.7, file=file)


def test_what_baselines_find():
    scan = Scan(pixels=(9, 5), n_slices=2)
    renderer = ProbeParticleModel(scan, backend="torch")
    reference = torch.zeros(1, 1, *scan.shape)
    reference[0, 0, -1, 3, 2] = 1.0
    reference[0, 0, 0, 1, 1] = 5.0  # in another slice
    found = {k: p(reference, renderer, 9.0) for k, p in baselines(AtomClasses()).items()}
    assert found["stop at once"].graph.z.numel() == 0
    one = found["brightest pixel"].graph
    assert one.z.tolist() == [1] and one.pos.tolist() == [[float(scan.x[2]), float(scan.y[3]), 0.0]]
    assert all(g.ended == "stop" and not g.steps for g in found.values())


def test_random_atoms_fill_the_window_alike_for_a_seed():
    scan = Scan(pixels=(4, 4), n_slices=2)
    renderer = ProbeParticleModel(scan, backend="torch")
    reference = torch.zeros(1, 1, *scan.shape)
    draws = []
    for _ in range(2):
        torch.manual_seed(1)
        random = baselines(AtomClasses())["random atoms"]
        draws.append([random(reference, renderer, 9.0).graph for _ in range(200)])
    pos, again = (torch.cat([g.pos for g in one]) for one in draws)
    assert torch.equal(pos, again)
    assert {g.z.numel() for g in draws[0]} == set(range(1, 11))
    assert set(torch.cat([g.z for g in draws[0]]).tolist()) == {1, 6}
    assert pos[:, :2].abs().max() <= 8 and pos[:, :2].abs().mean() > 3.5
    assert pos[:, 2].min() >= -0.7 and pos[:, 2].max() <= 0
