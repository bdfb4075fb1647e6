import dataclasses

import pytest
import torch

from torch_afm.config import Scan
from torch_afm.data import AFMData, from_smiles, remove_atoms
from torch_afm.elements import AtomClasses
from torch_afm.generation import Generation, GenerationStep, draw_trial, evaluate_predictions, score_trial
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
    stack = renderer(graph, z_top=z_top)
    last = GenerationStep(graph, stack, torch.tensor([0.9, 0.05, 0.05]), torch.zeros(3), torch.empty(0))
    first = dataclasses.replace(last, edge_probabilities=torch.full((graph.z.numel(),), 0.75))
    return Generation(graph, [first] * graph.z.numel() + [last], "stop", CLASSES)


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
    record = score_trial(trial, _found(graph, renderer, trial.z_top), renderer, CLASSES, -0.7, seconds=1.5)
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
    record = score_trial(trial, _found(whole, renderer, trial.z_top), renderer, CLASSES, -9.0)
    expected = renderer(whole, tip=trial.tip, z_top=trial.height)
    mse = (expected - trial.reference).square().mean(dim=(0, 1, 3, 4))
    assert record["images"]["prediction"]["mse"] == pytest.approx(mse.tolist(), rel=1e-4)


def test_context_is_scored_apart(trial, renderer):
    deep = trial.truth.pos[:, 2] < -0.7

    class Found(Generation):
        context = remove_atoms(trial.truth, ~deep)

    made = _found(remove_atoms(trial.truth, deep), renderer, trial.z_top)
    found = Found(made.graph, made.steps, "stop", CLASSES)
    record = score_trial(trial, found, renderer, CLASSES, -0.7, z_context=-9.0)
    assert record["context"] == [int(deep.sum())] * 3
    assert record["atoms"][1] == int((~deep).sum())


def test_pipelines_see_the_same_stack(renderer):
    seen = []

    def one(reference, given, z_top):
        assert given is renderer
        seen.append(reference.clone())
        return Generation(AFMData.empty(), [], "stop", CLASSES)

    molecules = [(3, from_smiles("C")), (5, from_smiles("O"))]
    found = evaluate_predictions({"a": one, "b": one}, molecules, renderer, CLASSES, -0.7)
    assert torch.equal(seen[0], seen[1]) and torch.equal(seen[2], seen[3])
    assert not torch.equal(seen[0], seen[2])
    assert [r["molecule"] for r in found["b"].records] == [3, 5]
    table = found["a"].compute()["all"]
    assert table["f1"]["0.5"] == 0 and table["seconds"] >= 0


def test_what_is_in_the_file_is_not_computed_again(renderer, tmp_path):
    seen = []

    def drawn(reference, given, z_top):
        seen.append(z_top)
        graph = AFMData(z=torch.tensor([6]), pos=torch.rand(1, 3), charge=torch.zeros(1))
        graph.edge_index = torch.empty(2, 0, dtype=torch.long)
        return Generation(graph, [], "stop", CLASSES)

    molecules = [(3, from_smiles("C")), (5, from_smiles("O")), (8, from_smiles("N"))]
    whole = evaluate_predictions({"a": drawn}, molecules, renderer, CLASSES, -0.7)["a"].records
    file = tmp_path / "records.jsonl"
    for chosen, count in ((molecules[:1], 4), (molecules[::-1], 6)):
        torch.rand(5)  # what else is drawn does not matter
        found = evaluate_predictions({"a": drawn}, chosen, renderer, CLASSES, -0.7, file=file)["a"].records
        assert len(seen) == count
    for one, other in zip(found[::-1], whole, strict=True):
        assert {k: v for k, v in one.items() if k != "seconds"} == {
            k: v for k, v in other.items() if k != "seconds"
        }
    with pytest.raises(InputError, match="file: expected records of b, got others"):
        evaluate_predictions({"b": drawn}, molecules, renderer, CLASSES, -0.7, file=file)
