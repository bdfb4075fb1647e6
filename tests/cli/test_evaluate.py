"""Scores from the command line."""

import itertools
import json

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.cli.main import main
from torch_afm.config import SpatialGeneratorConfig
from torch_afm.datasets import AFMDataset, MoleculeDataset, StepDraws, split_by_molecule
from torch_afm.evaluation import score_trial
from torch_afm.metrics import Calibration, StepMetrics
from torch_afm.models import SequentialGenerator, SpatialGenerator

pytestmark = pytest.mark.learnt

SMILES = ["C", "CC", "CO", "O", "N", "CN", "C#N", "C=O", "CF", "CCl", "C=C", "C#C", "OO"]


def evaluate(weights, molecules, out, **options):
    options = {"weights": weights, "molecules": molecules, "out": out, "resamples": 20} | options
    return main(["evaluate", *(f"--{k.replace('_', '-')}={v}" for k, v in options.items())])


@pytest.fixture
def molecules(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "few.smi"
    path.write_text("\n".join(SMILES))
    return path


def test_steps_of_the_test_molecules_alone(molecules, weights, tmp_path, capsys):
    """All 60 steps of the two test molecules, in one batch here and in batches of 7 there."""
    out = tmp_path / "new" / "scores"
    assert evaluate(weights, molecules, out, seed=3, batch_size=7, predictions=0) == 0
    printed = capsys.readouterr().out

    model = SequentialGenerator.from_pretrained(weights).eval()
    source = MoleculeDataset(SMILES)
    test = split_by_molecule(len(SMILES), seed=3)[2]
    assert len(test) == 2
    dataset = AFMDataset([source[int(i)] for i in test], model.config.scan, StepDraws(seed=3))
    batch = Batch.from_data_list(dataset.__getitems__([(0, i) for i in range(60)]))
    metrics = StepMetrics(model.classes)
    with torch.no_grad():
        prediction = model(batch)
        metrics.update(prediction, batch)
    expected = metrics.compute()

    result = json.loads((out / "scores.json").read_text())
    found = result["steps"]
    assert found["steps"] == 60
    assert found["molecules"] == result["molecules"] == 2 and "predictions" not in result
    assert found["class"]["count"] == expected["class"]["count"]
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-4)
    for name, row in expected["position_error"].items():
        assert found["position_error"][name] == pytest.approx(row, rel=1e-4)
    low, high = found["intervals"]["position_error"]["mean"]["r"]
    assert low <= found["position_error"]["mean"]["r"] <= high
    assert f"({low:.2f} to {high:.2f}) [0.50]" in printed  # interval and the thesis' number beside ours
    assert {p.name for p in out.glob("*.png")} == {"parity.png", "depth.png", "confusion.png"}


def test_whole_predictions_of_a_network_of_either_kind(molecules, weights, tmp_path, capsys):
    spatial = tmp_path / "spatial"
    torch.manual_seed(0)
    config = SpatialGeneratorConfig(channels=(4, 4), query_channels=4)
    SpatialGenerator(config).save_pretrained(spatial)
    for folder, context in ((weights, False), (spatial, True)):
        out = tmp_path / f"scores{context:d}"
        assert evaluate(folder, molecules, out, samples=0, predictions=2) == 0
        result = json.loads((out / "scores.json").read_text())
        assert list(result["predictions"]) == ["model", "stop at once", "brightest pixel", "random atoms"]
        table = result["predictions"]["model"]["all"]
        assert table["predictions"] == 2
        nothing = result["predictions"]["stop at once"]["all"]
        assert nothing["f1"]["0.5"] == 0 and nothing["extra"] == 0 and nothing["missing"] > 0
        # An empty prediction has the empty image.
        assert nothing["images"]["prediction"] == nothing["images"]["empty"]
        assert (table["context"]["recall"] is not None) is context
        assert "Image of the prediction" in capsys.readouterr().out
        names = {"sizes.png", "images.png", "classes.png", "reliability.png", "scores.json"}
        names |= {"evaluation.json", "predictions.jsonl"}
        assert {p.name for p in out.iterdir()} == names


def test_calibration_is_fitted_on_validation_molecules(molecules, weights, tmp_path):
    out = tmp_path / "validation"
    assert evaluate(weights, molecules, out, samples=0, split="validation", predictions=1) == 0
    assert Calibration.load(out / "calibration.json") != Calibration()


def test_interrupted_and_gone_on_with_equals_uninterrupted(molecules, weights, tmp_path, capsys, monkeypatch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    settings = {"split": "train", "samples": 9, "batch_size": 2, "predictions": 3}
    assert evaluate(weights, molecules, whole, **settings) == 0

    def interrupted(usual, stops):
        calls = itertools.count(1)

        def call(*args, **kwargs):
            if next(calls) in stops:
                raise KeyboardInterrupt
            return usual(*args, **kwargs)

        return call

    # In the third and fifth of five batches; in the second and third of three molecules with four generators.
    update, score = (
        "torch_afm.metrics.steps.metrics.StepMetrics.update",
        "torch_afm.evaluation.trials.score_trial",
    )
    for name, usual, stops in ((update, StepMetrics.update, (3, 6)), (score, score_trial, (6, 11))):
        with monkeypatch.context() as patch:
            patch.setattr(name, interrupted(usual, stops))
            for _ in range(2):
                assert evaluate(weights, molecules, parts, **settings) == 130
    capsys.readouterr()
    assert evaluate(weights, molecules, parts, **settings) == 0
    printed = capsys.readouterr().out
    assert "single steps: 9 of 300, 9 of them there already" in printed
    assert "predictions: 3 of 10, 2 of them there already" in printed
    assert _scores(parts) == _scores(whole)

    # More of the same may be asked for, others not.
    assert evaluate(weights, molecules, parts, **settings | {"samples": 11, "predictions": 2}) == 0
    assert json.loads((parts / "scores.json").read_text())["steps"]["steps"] == 11
    for name, value in (("seed", 1), ("split", "test"), ("orientation", "any")):
        assert evaluate(weights, molecules, parts, **settings | {name: value}) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "parts: holds an evaluation with other settings" in line and name in line
    molecules.write_text("\n".join([*SMILES[1:], "CCN"]))
    assert evaluate(weights, molecules, parts, **settings) == 2
    assert "(molecules_sha256)" in capsys.readouterr().err


def _scores(folder):
    scores = json.loads((folder / "scores.json").read_text())
    for part in (scores["predictions"]["model"], scores["intervals"]):
        for table in part.values():
            del table["seconds"]
    for name in list(scores["predictions"])[1:]:
        for table in scores["predictions"][name].values():
            del table["seconds"]
    return scores


def test_too_few_molecules(weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.smi").write_text("C\n")
    assert main(["evaluate", "--weights", str(weights), "--molecules", "one.smi"]) == 2
    assert "expected enough molecules for a test split, got 1" in capsys.readouterr().err
