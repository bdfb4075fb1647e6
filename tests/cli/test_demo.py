"""The whole job on one molecule, and its scores."""

import json

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from torch_afm.cli import demo
from torch_afm.cli.demo import MOLECULE, in_embedded_list
from torch_afm.cli.main import main
from torch_afm.data import from_smiles
from torch_afm.datasets.smi import embedded_smiles
from torch_afm.io import read_molecule, read_stack, write_sdf
from torch_afm.models import SequentialGenerator


def test_the_default_molecule_was_never_seen():
    assert not in_embedded_list(from_smiles(MOLECULE))


def test_listed_molecules_are_recognised_from_their_atoms_alone():
    listed = embedded_smiles()
    for smiles in listed[:: len(listed) // 5]:
        assert in_embedded_list(from_smiles(smiles)), smiles


def test_as_a_user_runs_it(cli, weights, tmp_path):
    """Scores in the JSON against a matching by hand from the files beside it."""
    out = tmp_path / "demo"
    result = cli("demo", "--out", out, "--weights", weights)
    assert (result.returncode, result.stderr) == (0, "")
    names = {p.name for p in out.iterdir()}
    assert names >= {"report.html", "report.png", "scan.npz", "stack.npz", "truth.xyz"} | {
        f"prediction.{suffix}" for suffix in ("xyz", "sdf", "json", "png")
    }
    story = json.loads((out / "prediction.json").read_text())
    truth, predicted = read_molecule(out / "truth.xyz"), read_molecule(out / "prediction.xyz")
    z_min = SequentialGenerator.from_pretrained(weights).config.z_min
    visible = truth.pos[truth.pos[:, 2] >= z_min]
    assert float(truth.pos[:, 2].max()) == 0.0
    assert story["molecule"] == MOLECULE
    assert story["in_embedded_list"] is False
    assert story["visible_atoms"] == len(visible)
    assert f"{len(truth.pos)} atoms, {len(visible)} of them visible" in result.stdout
    assert "not in the list" in result.stdout

    distance = torch.cdist(predicted.pos, visible).numpy()
    for cutoff, row in story["scores"].items():
        cost = np.where(distance <= float(cutoff), distance - 1e3, 0.0)
        matched = int((cost[linear_sum_assignment(cost)] < 0).sum())
        assert row["matched"] == matched
        assert row["precision"] == pytest.approx(matched / len(predicted.pos))
        assert row["recall"] == pytest.approx(matched / len(visible))
        assert f"{matched} within {cutoff} Å of a visible atom" in result.stdout


def test_a_file_is_taken_as_it_lies(weights, tmp_path):
    molecule = from_smiles("CC#N")
    write_sdf(tmp_path / "m.sdf", molecule)
    assert (
        main(["demo", "--xyz", str(tmp_path / "m.sdf"), "--out", str(tmp_path), "--weights", str(weights)])
        == 0
    )
    truth = read_molecule(tmp_path / "truth.xyz")
    torch.testing.assert_close(truth.pos - truth.pos[0], molecule.pos - molecule.pos[0], atol=2e-4, rtol=0)
    assert read_stack(tmp_path / "stack.npz").meta["molecule"] == "m.sdf"


#: Options -> what the error names.
BAD = [
    (["--xyz", "a.xyz", "--smiles", "C"], "molecule: expected a file or --smiles, got both"),
    (["--xyz", "slab.extxyz"], "molecule: expected a molecule on its own, got one that repeats"),
    (["--smiles", "CCI"], "molecule: expected visible atoms of elements that the weights 'small' know"),
]


def test_what_cannot_be_scored_is_refused_before_the_work(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(demo, "simulate", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slab.extxyz").write_text('1\nLattice="5 0 0 0 5 0 0 0 5"\nO 0 0 0\n')
    for options, message in BAD:
        assert main(["demo", *options, "--weights", "small", "--out", str(tmp_path / "out")]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
