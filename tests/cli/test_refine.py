"""Prediction and stack in, refined molecule out."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from torch_afm.cli.main import main
from torch_afm.config import Scan, Tip, to_dict
from torch_afm.data import AFMData
from torch_afm.elements import atomic_number
from torch_afm.io import AFMStack, read_molecule, read_stack, write_stack, write_xyz
from torch_afm.ppm import ProbeParticleModel

TIP = Tip(tilt=(0.3, 0.1))


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


def molecule_of(told) -> AFMData:
    return AFMData(
        z=torch.tensor([atomic_number(a["element"]) for a in told]),
        pos=torch.tensor([a["pos"] for a in told]),
        charge=torch.tensor([a["charge"] for a in told]),
    )


def test_as_a_user_runs_it(stack, start, tmp_path, capsys):
    out = tmp_path / "deep" / "out"
    assert main(["refine", str(start), str(stack), "--out", str(out), "--known"]) == 0
    said = capsys.readouterr().out
    assert "refined" in said and "verdict    explained" in said
    truth = torch.tensor([a["pos"] for a in read_stack(stack).meta["atoms"]])
    told = json.loads((out / "refined.json").read_text())
    assert told["accepted"] and told["agreement"]["status"] == "explained"
    found = torch.tensor([a["pos"] for a in told["atoms"]])
    assert (found - truth).norm(dim=1).mean() < 0.05
    for name in ("refined.xyz", "refined.sdf"):
        torch.testing.assert_close(read_molecule(out / name).pos, found, atol=2e-4, rtol=0)
    assert told["bonds"] == [[0, 1], [0, 2]] and told["bond_orders"] == [1.0, 1.0]
    assert (out / "refined.png").read_bytes().startswith(b"\x89PNG")
    assert "agrees with the scan" in (out / "report.html").read_text("utf-8")


def test_a_molecule_file_will_do(stack, start, tmp_path):
    told = json.loads((start / "prediction.json").read_text())["atoms"]
    write_xyz(tmp_path / "start.xyz", molecule_of(told))
    arguments = ["refine", str(tmp_path / "start.xyz"), str(stack), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--known", "--prior", "known"]) == 0


def test_what_predict_wrote_is_all_that_is_asked_for(stack, start, tmp_path):
    """Height, tip and steps are those of the prediction, where the scan tells nothing of them; the scan
    itself is found."""
    data = read_stack(stack)
    scan = Scan(pixels=(20, 20), window=((-4.0, 4.0), (-4.0, 4.0)), n_slices=4, dz=0.2, n_oscillation=5)
    z_top = data.meta["z_top"]
    truth = molecule_of(data.meta["atoms"])
    image = ProbeParticleModel(scan, TIP)(truth, z_top=z_top)[0].numpy()
    # As a microscope tells it: arbitrary units, heights of its own.
    meta = {"unit": "arbitrary", "measured": 3}
    scanned = AFMStack(5 * image + 3, scan.x, scan.y, -30 - 0.2 * np.arange(4.0), meta)
    write_stack(start / "scan.npz", scanned)
    told = json.loads((start / "prediction.json").read_text())
    told |= {
        "stack": "images",
        "imaging": {"z_top": z_top, "tip": to_dict(TIP), "scan": to_dict(scan), "unit": "arbitrary"},
    }
    (start / "prediction.json").write_text(json.dumps(told))
    for n, given in enumerate(([], ["images"], [str(start / "scan.npz")], [str(start)])):
        assert main(["refine", str(start), *given, "--out", str(tmp_path / f"o{n}"), "--known"]) == 0
        result = json.loads((tmp_path / f"o{n}" / "refined.json").read_text())
        assert result["stack"] == str(start / "scan.npz")
        found = torch.tensor([a["pos"] for a in result["atoms"]])
        assert (found - truth.pos).norm(dim=1).mean() < 0.05
        assert result["tip"]["tilt"] == pytest.approx(TIP.tilt)
        assert next(iter(result["agreement"])) == "pearson" and "mse" not in result["agreement"]
        # One of the four was interpolated, as predict had said.
        assert [r.split(",")[0] for r in result["agreement"]["reasons"]] == ["3 slices were measured"]
    # A prediction from a stack in memory records no file.
    (start / "prediction.json").write_text(json.dumps({k: v for k, v in told.items() if k != "stack"}))
    assert main(["refine", str(start), "--out", str(tmp_path / "m"), "--known"]) == 0
    # Another scan is none that the prediction was made from.
    write_stack(tmp_path / "other.npz", dataclasses.replace(scanned, x=scanned.x + 1))
    assert main(["refine", str(start), str(tmp_path / "other.npz"), "--out", str(tmp_path / "x")]) == 2


def test_a_height_within_the_molecule_is_refused(stack, start, tmp_path, capsys):
    arguments = ["refine", str(start), str(stack), "--out", str(tmp_path / "out"), "--z-top", "4.5"]
    assert main(arguments) == 2
    assert "z_top, distance: expected the probe to start above" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_report_of_a_prediction_is_not_overwritten(stack, start, capsys):
    (start / "report.html").write_text("of predict")
    assert main(["refine", str(start), str(stack), "--out", str(start)]) == 2
    assert "--out: expected another folder" in capsys.readouterr().err
    assert (start / "report.html").read_text() == "of predict" and not (start / "refined.json").exists()


def test_what_is_left_is_told_and_is_no_success(stack, start, tmp_path, capsys):
    """One of three atoms: whatever the fit gains, the image does not agree."""
    told = json.loads((start / "prediction.json").read_text())
    told["atoms"] = told["atoms"][1:2]
    told["atoms"][0]["pos"][0] += 1.5
    (start / "prediction.json").write_text(json.dumps(told))
    assert main(["refine", str(start), str(stack), "--out", str(tmp_path / "out"), "--known"]) == 0
    said = capsys.readouterr().out
    result = json.loads((tmp_path / "out" / "refined.json").read_text())
    assert result["agreement"]["status"] == "not explained"
    assert "verdict    not explained" in said and "of the contrast" in said
    assert all(reason in said for reason in result["agreement"]["reasons"])


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"atoms": [{"element": "Qq", "pos": [0, 0, 0]}]}',
        '{"atoms": [{"element": "C", "pos": [0, 0]}]}',
        '{"atoms": 3}',
        '{"atoms": []}',
        '{"atoms": [{"element": "C", "pos": [0, 0, 0]}], "imaging": {"z_top": "high"}}',
    ],
)
def test_no_prediction_is_one_line(text, stack, tmp_path, capsys):
    (tmp_path / "prediction.json").write_text(text)
    assert main(["refine", str(tmp_path), str(stack), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("torch-afm refine: error: prediction:") and error.count("\n") == 1


def test_files_that_are_no_stack_and_uneven_ones_are_one_line(stack, start, tmp_path, capsys):
    data = read_stack(stack)
    write_stack(tmp_path / "uneven.npz", dataclasses.replace(data, z=data.z - np.array([0, 0, 0, 0.1])))
    (tmp_path / "images").mkdir()
    shutil.copy(stack, tmp_path / "stack.png")
    for name, word in (
        ("uneven.npz", "z: expected evenly"),
        ("images", "scan.npz"),
        ("stack.png", "scan.npz"),
        (None, "stack: expected a stack file"),
    ):
        given = [] if name is None else [str(tmp_path / name)]
        assert main(["refine", str(start), *given, "--out", str(tmp_path / "out")]) == 2
        error = capsys.readouterr().err
        assert word in error and error.count("\n") == 1
