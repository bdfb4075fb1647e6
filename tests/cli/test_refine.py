"""Prediction and stack in, refined molecule out."""

import json

import pytest
import torch

from torch_afm.cli.main import main
from torch_afm.io import read_molecule, read_stack, write_xyz


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    path = tmp_path_factory.mktemp("stack") / "water.npz"
    scan = ["--scan.pixels", "[20,20]", "--scan.window", "[[-4,4],[-4,4]]", "--scan.n_slices", "4"]
    assert main(["simulate", "--smiles", "O", "--out", str(path), *scan]) == 0
    return path


@pytest.fixture
def start(stack, tmp_path):
    atoms = read_stack(stack).meta["atoms"]
    generator = torch.Generator().manual_seed(0)
    told = [
        {
            "element": a["element"],
            "pos": (torch.tensor(a["pos"]) + 0.1 * torch.randn(3, generator=generator)).tolist(),
            "charge": a["charge"],
            "sigma": [0.2, 0.2, 0.2],
        }
        for a in atoms
    ]
    (tmp_path / "prediction.json").write_text(json.dumps({"atoms": told, "context": []}))
    return tmp_path


def test_as_a_user_runs_it(stack, start, tmp_path, capsys):
    out = tmp_path / "deep" / "out"
    assert main(["refine", str(start), str(stack), "--out", str(out), "--known"]) == 0
    assert "refined" in capsys.readouterr().out
    truth = torch.tensor([a["pos"] for a in read_stack(stack).meta["atoms"]])
    told = json.loads((out / "refined.json").read_text())
    assert told["helped"]
    found = torch.tensor([a["pos"] for a in told["atoms"]])
    assert (found - truth).norm(dim=1).mean() < 0.05
    for name in ("refined.xyz", "refined.sdf"):
        torch.testing.assert_close(read_molecule(out / name).pos, found, atol=2e-4, rtol=0)
    assert (out / "refined.png").read_bytes().startswith(b"\x89PNG")


def test_a_molecule_file_will_do(stack, start, tmp_path, capsys):
    told = json.loads((start / "prediction.json").read_text())["atoms"]
    truth = read_molecule_of(told)
    write_xyz(tmp_path / "start.xyz", truth)
    arguments = ["refine", str(tmp_path / "start.xyz"), str(stack), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--known", "--prior", "known"]) == 0


def test_a_height_within_the_molecule_is_refused(stack, start, tmp_path, capsys):
    arguments = ["refine", str(start), str(stack), "--out", str(tmp_path / "out"), "--z-top", "4.5"]
    assert main(arguments) == 2
    assert "z_top, distance: expected the probe to start above" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def read_molecule_of(atoms):
    from torch_afm.cli.refine import _atoms

    return _atoms(atoms)


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"atoms": [{"element": "Qq", "pos": [0, 0, 0]}]}', '{"atoms": 3}']
)
def test_no_prediction_is_one_line(text, stack, tmp_path, capsys):
    (tmp_path / "prediction.json").write_text(text)
    assert main(["refine", str(tmp_path), str(stack), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("torch-afm refine: error:") and error.count("\n") == 1


def test_an_empty_prediction_is_one_line(stack, tmp_path, capsys):
    (tmp_path / "prediction.json").write_text('{"atoms": []}')
    assert main(["refine", str(tmp_path), str(stack), "--out", str(tmp_path / "out")]) == 2
    assert "at least one atom" in capsys.readouterr().err
