"""Single-step scores from the command line."""

import json

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.cli.main import main
from torch_afm.datasets import AFMDataset, MoleculeDataset, split_by_molecule
from torch_afm.metrics import StepMetrics
from torch_afm.models import GraphGenerator

SMILES = ["C", "CC", "CO", "O", "N", "CN", "C#N", "C=O", "CF", "CCl", "C=C", "C#C", "OO"]


@pytest.fixture
def molecules(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "few.smi"
    path.write_text("\n".join(SMILES))
    return path


def test_scores_of_the_test_molecules_alone(molecules, weights, tmp_path, capsys):
    """All 60 steps of the two test molecules, in one batch here and in batches of 7 there."""
    out = tmp_path / "new" / "scores.json"
    options = ["--weights", str(weights), "--molecules", str(molecules), "--seed", "3", "--batch-size", "7"]
    assert main(["evaluate", *options, "--out", str(out)]) == 0
    printed = capsys.readouterr().out

    model = GraphGenerator.from_pretrained(weights).eval()
    source = MoleculeDataset(SMILES)
    test = split_by_molecule(len(SMILES), seed=3)[2]
    assert len(test) == 2
    dataset = AFMDataset([source[int(i)] for i in test], model.config.scan, seed=3)
    batch = Batch.from_data_list(dataset.__getitems__(range(60)), follow_batch=["missing_z"])
    metrics = StepMetrics(model.classes)
    with torch.no_grad():
        prediction = model(batch)
        metrics.update(prediction, batch)
    expected = metrics.compute()

    found = json.loads(out.read_text())
    assert found["steps"] == 60
    assert found["molecules"] == found["test_molecules"] == 2
    assert found["class"]["count"] == expected["class"]["count"]
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-4)
    for name, row in expected["position_error"].items():
        assert found["position_error"][name] == pytest.approx(row, rel=1e-4)
    low, high = found["intervals"]["position_error"]["mean"]["r"]
    assert low <= found["position_error"]["mean"]["r"] <= high
    assert f"({low:.2f} to {high:.2f}) [0.50]" in printed  # interval and the thesis' number beside ours


def test_fewer_samples_than_there_are(molecules, weights, tmp_path):
    out = tmp_path / "scores.json"
    options = ["--weights", str(weights), "--molecules", str(molecules), "--samples", "5"]
    assert main(["evaluate", *options, "--out", str(out)]) == 0
    assert json.loads(out.read_text())["steps"] == 5


def test_too_few_molecules(weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.smi").write_text("C\n")
    assert main(["evaluate", "--weights", str(weights), "--molecules", "one.smi"]) == 2
    assert "expected enough molecules for a test split, got 1" in capsys.readouterr().err
