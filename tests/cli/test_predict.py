"""Stack file in, prediction out."""

import json

import numpy as np
import pytest
import torch
from rdkit import Chem

from torch_afm.cli.main import main
from torch_afm.config import Scan, Tip, from_dict
from torch_afm.generation import generate
from torch_afm.io import read_molecule, read_stack, write_stack
from torch_afm.models import SequentialGenerator
from torch_afm.ppm import ProbeParticleModel


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    path = tmp_path_factory.mktemp("stack") / "phenol.npz"
    assert main(["simulate", "--smiles", "Oc1ccccc1", "--out", str(path), "--scan.pixels", "[64,64]"]) == 0
    return path


def test_as_a_user_runs_it(cli, stack, weights, tmp_path):
    """All four files say what the library's own generator says."""
    out = tmp_path / "deep" / "out"
    plain = ("--refine", "false", "--physics", "false")
    result = cli("predict", stack, "--out", out, "--weights", weights, *plain)
    assert (result.returncode, result.stderr) == (0, "")

    data = read_stack(stack)
    renderer = ProbeParticleModel(Scan(pixels=(64, 64)), Tip())
    expected = generate(
        SequentialGenerator.from_pretrained(weights),
        torch.from_numpy(data.stack)[None],
        renderer,
        data.meta["z_top"],
    )
    story = json.loads((out / "prediction.json").read_text())
    told = json.loads(json.dumps(expected.to_dict()))
    for key in ("classes", "bonds", "ended"):
        assert story[key] == told[key]
    assert [a["element"] for a in story["atoms"]] == [a["element"] for a in told["atoms"]]
    found, wanted = (torch.tensor([a["pos"] for a in s["atoms"]]) for s in (story, told))
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)  # threads may differ between processes
    assert story["stack"] == str(stack)
    assert story["imaging"]["z_top"] == data.meta["z_top"]
    assert from_dict(Tip, story["imaging"]["tip"]) == Tip()
    assert from_dict(Scan, story["imaging"]["scan"]) == renderer.scan
    assert len(story["agreement"]["pearson"]) == 10
    for name in ("prediction.xyz", "prediction.sdf"):
        molecule = read_molecule(out / name)
        torch.testing.assert_close(molecule.pos, wanted, atol=2e-4, rtol=0)
    assert Chem.SDMolSupplier(str(out / "prediction.sdf"), sanitize=False)[0] is not None
    assert (out / "prediction.png").read_bytes().startswith(b"\x89PNG")
    assert f"{len(story['atoms'])} atoms" in result.stdout


def test_an_empty_prediction_is_written_too(stack, weights, tmp_path, capsys):
    code = main(
        ["predict", str(stack), "--out", str(tmp_path), "--weights", str(weights), "--max-atoms", "0"]
    )
    assert code == 0
    story = json.loads((tmp_path / "prediction.json").read_text())
    assert story["atoms"] == []
    assert story["ended"] == "max_atoms"
    assert story["agreement"]["pearson"] == [0.0] * 10
    assert story["agreement"]["agrees"] is False and "no atom was found" in story["agreement"]["reasons"]
    assert "do not trust this structure" in capsys.readouterr().out
    assert "no atom was found" in (tmp_path / "report.html").read_text("utf-8")
    assert (tmp_path / "prediction.xyz").read_text().startswith("0\n")


def test_uneven_pixels_are_refused(stack, weights, tmp_path, capsys):
    data = read_stack(stack)
    data.x = data.x * np.abs(data.x) ** 0.5
    write_stack(tmp_path / "uneven.npz", data)
    for options in ([], ["--flatten", "none"]):
        arguments = [
            "predict",
            str(tmp_path / "uneven.npz"),
            "--out",
            str(tmp_path),
            "--weights",
            str(weights),
        ]
        assert main([*arguments, *options]) == 2
        assert "x: expected evenly spaced pixels" in capsys.readouterr().err


def test_a_stack_in_another_unit_is_not_called_hertz(stack, weights, tmp_path, capsys):
    data = read_stack(stack)
    data.meta["unit"] = "V"
    write_stack(tmp_path / "volts.npz", data)
    options = ["--weights", str(weights), "--max-atoms", "0", "--out", str(tmp_path / "o")]
    assert main(["predict", str(tmp_path / "volts.npz"), *options]) == 0
    told = json.loads((tmp_path / "o" / "prediction.json").read_text())
    assert told["imaging"]["unit"] == "V" and "mse" not in told["agreement"]
    assert "Hz²" not in capsys.readouterr().out


def test_z_top_on_the_command_line_wins(stack, weights, tmp_path):
    agreements = []
    for z_top in ("8.0", "9.0"):
        options = ["--weights", str(weights), "--max-atoms", "1", "--z-top", z_top]
        assert main(["predict", str(stack), "--out", str(tmp_path / z_top), *options]) == 0
        agreements.append(json.loads((tmp_path / z_top / "prediction.json").read_text())["agreement"])
    assert agreements[0] != agreements[1]
