"""Scores from the command line."""

import json

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.cli.main import main
from torch_afm.datasets import AFMDataset, MoleculeDataset, split_by_molecule
from torch_afm.metrics import Calibration, StepMetrics
from torch_afm.models import GraphGenerator, SpatialGenerator, SpatialGeneratorConfig

SMILES = ["C", "CC", "CO", "O", "N", "CN", "C#N", "C=O", "CF", "CCl", "C=C", "C#C", "OO"]
FEW = ("--resamples", "20")


@pytest.fixture
def molecules(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "few.smi"
    path.write_text("\n".join(SMILES))
    return path


def test_steps_of_the_test_molecules_alone(molecules, weights, tmp_path, capsys):
    """All 60 steps of the two test molecules, in one batch here and in batches of 7 there."""
    out = tmp_path / "new" / "scores"
    options = [
        "--weights",
        str(weights),
        "--resamples",
        "20",
        "--molecules",
        str(molecules),
        "--seed",
        "3",
        "--batch-size",
        "7",
    ]
    assert main(["evaluate", *options, "--predictions", "0", "--out", str(out)]) == 0
    printed = capsys.readouterr().out

    model = GraphGenerator.from_pretrained(weights).eval()
    source = MoleculeDataset(SMILES)
    test = split_by_molecule(len(SMILES), seed=3)[2]
    assert len(test) == 2
    dataset = AFMDataset([source[int(i)] for i in test], model.config.scan, seed=3)
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
        options = [
            "--weights",
            str(folder),
            "--resamples",
            "20",
            "--molecules",
            str(molecules),
            "--samples",
            "0",
        ]
        assert main(["evaluate", *options, "--predictions", "2", "--out", str(out)]) == 0
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
        assert {p.name for p in out.iterdir()} == names


def test_calibration_is_fitted_on_validation_molecules(molecules, weights, tmp_path):
    options = [
        "--weights",
        str(weights),
        "--resamples",
        "20",
        "--molecules",
        str(molecules),
        "--samples",
        "0",
    ]
    out = tmp_path / "validation"
    options += ["--split", "validation", "--predictions", "1"]
    assert main(["evaluate", *options, "--out", str(out)]) == 0
    assert Calibration.load(out / "calibration.json") != Calibration()


def test_fewer_samples_than_there_are(molecules, weights, tmp_path):
    options = [
        "--weights",
        str(weights),
        "--resamples",
        "20",
        "--molecules",
        str(molecules),
        "--samples",
        "5",
    ]
    assert main(["evaluate", *options, "--predictions", "0", "--out", str(tmp_path / "few")]) == 0
    assert json.loads((tmp_path / "few" / "scores.json").read_text())["steps"]["steps"] == 5


def test_too_few_molecules(weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.smi").write_text("C\n")
    assert main(["evaluate", "--weights", str(weights), "--molecules", "one.smi"]) == 2
    assert "expected enough molecules for a test split, got 1" in capsys.readouterr().err
