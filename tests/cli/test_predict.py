"""Scan or stack file in, prediction out."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from rdkit import Chem

from torch_afm.cli import predict
from torch_afm.cli.main import main
from torch_afm.cli.parsers.predict import parse
from torch_afm.config import PredictOptions, Scan, SearchOptions, Tip, from_dict
from torch_afm.io import read_molecule, read_stack
from torch_afm.models import SequentialGenerator
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction import generate


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    path = tmp_path_factory.mktemp("stack") / "phenol.npz"
    assert main(["simulate", "--smiles", "Oc1ccccc1", "--out", str(path), "--scan.pixels", "[64,64]"]) == 0
    return path


def test_defaults_are_those_of_the_library():
    """No default is written twice."""
    args = parse(["scan.sxm", "--out", "result"])
    assert args.options == PredictOptions() and args.weights == "auto"
    given = parse(["a", "--out", "b", "--rotations", "4", "--max-atoms", "7", "--physics", "no"]).options
    assert given == PredictOptions(rotations=4, search=SearchOptions(max_atoms=7, physics=False))


@pytest.mark.parametrize(("text", "size"), [("0.5", 0.5), ("[0.148,0.161]", (0.148, 0.161))])
def test_pixels_of_one_size_or_of_two(text, size):
    options = parse(["scan", "--out", "result", "--pixel-size", text]).options
    assert options.reading.pixel_size == size


def test_as_a_user_runs_it(cli, stack, weights, tmp_path):
    """All files say what the library's own search gives."""
    out = tmp_path / "deep" / "out"
    plain = ("--refine", "false", "--physics", "false")
    result = cli("predict", stack, "--out", out, "--weights", weights, *plain)
    assert (result.returncode, result.stderr) == (0, "")

    data = read_stack(stack)
    renderer = ProbeParticleModel(Scan(pixels=(64, 64)), Tip())
    expected = generate(
        SequentialGenerator.from_pretrained(weights), data.tensor(), renderer, data.meta["z_top"]
    )
    record = json.loads((out / "prediction.json").read_text())
    wanted = json.loads(json.dumps(expected.to_dict()))
    for key in ("classes", "bonds", "ended"):
        assert record[key] == wanted[key]
    assert [a["element"] for a in record["atoms"]] == [a["element"] for a in wanted["atoms"]]
    found, pos = (torch.tensor([a["pos"] for a in s["atoms"]]) for s in (record, wanted))
    torch.testing.assert_close(found, pos, atol=1e-4, rtol=0)  # threads may differ between processes
    assert record["stack"] == str(stack)
    assert record["imaging"]["z_top"] == data.meta["z_top"]
    assert from_dict(Tip, record["imaging"]["tip"]) == Tip()
    assert from_dict(Scan, record["imaging"]["scan"]) == renderer.scan
    assert len(record["agreement"]["pearson"]) == 10
    for name in ("prediction.xyz", "prediction.sdf"):
        molecule = read_molecule(out / name)
        torch.testing.assert_close(molecule.pos, pos, atol=2e-4, rtol=0)
    assert Chem.SDMolSupplier(str(out / "prediction.sdf"), sanitize=False)[0] is not None
    assert (out / "prediction.png").read_bytes().startswith(b"\x89PNG")
    assert f"{len(record['atoms'])} atoms" in result.stdout
    assert f"report.html, report.png, preparation.png, scan.npz, simulated.npz to {out}" in result.stdout


def test_an_empty_prediction_is_written_too(stack, weights, tmp_path, capsys):
    code = main(
        ["predict", str(stack), "--out", str(tmp_path), "--weights", str(weights), "--max-atoms", "0"]
    )
    assert code == 0
    record = json.loads((tmp_path / "prediction.json").read_text())
    assert record["atoms"] == []
    assert record["ended"] == "max_atoms"
    assert record["agreement"]["pearson"] == [0.0] * 10
    assert (
        record["agreement"]["status"] == "not explained"
        and "no atom was found" in record["agreement"]["reasons"]
    )
    assert "verdict    not explained" in capsys.readouterr().out
    assert "no atom was found" in (tmp_path / "report.html").read_text("utf-8")
    assert (tmp_path / "prediction.xyz").read_text().startswith("0\n")


def test_z_top_on_the_command_line_wins(stack, weights, tmp_path):
    agreements = []
    for z_top in ("8.0", "9.0"):
        options = ["--weights", str(weights), "--max-atoms", "1", "--z-top", z_top]
        assert main(["predict", str(stack), "--out", str(tmp_path / z_top), *options]) == 0
        agreements.append(json.loads((tmp_path / z_top / "prediction.json").read_text())["agreement"])
    assert agreements[0] != agreements[1]


def test_uneven_pixels_are_refused(stack, weights, tmp_path, capsys):
    data = read_stack(stack)
    x = data.x * np.abs(data.x) ** 0.5
    np.savez(tmp_path / "uneven.npz", stack=data.stack, x=x, y=data.y, z=data.z)
    for options in ([], ["--flatten", "none"]):
        arguments = ["predict", str(tmp_path / "uneven.npz"), "--out", str(tmp_path / "o"), *options]
        assert main([*arguments, "--weights", str(weights)]) == 2
        assert "x: expected evenly spaced pixels" in capsys.readouterr().err


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for i in range(13):
        gray = np.random.default_rng(i).integers(0, 255, (32, 32)).astype(np.uint8)
        Image.fromarray(gray).save(folder / f"water_{i}.png")
    return folder


def run(*arguments) -> int:
    return main(["predict", *map(str, arguments)])


def test_a_scan_is_never_overwritten(pictures, capsys):
    files = sorted(pictures.iterdir())
    assert run(pictures, "--out", pictures, "--step", 0.1, "--pixel-size", 0.5) == 2
    assert "folder: expected another" in capsys.readouterr().err and sorted(pictures.iterdir()) == files


#: Options and what the one line on stderr names.
BAD = [
    ("none", "", "none"),
    ("empty", "", "empty"),
    ("mixed", "", "mixed"),
    ("images", "", "heights"),
    ("images", "--rotations 3", "--rotations: expected one of 1, 2, 4, got 3"),
    ("images", "--step 0.1", "pixel_size"),
    ("images", "--step 0.1 --heights [0,1,2] --pixel-size 0.5", "heights"),
    ("images", "--step 0.001 --pixel-size 0.5", "heights"),
    ("images", "--step 0.1 --pixel-size 0.05", "scan"),
    ("images", "--step 0.1 --pixel-size 0.5 --center [99,0]", "positions"),
    ("images", "--step 0.1 --pixel-size 0.5 --window [[0,1],[9,8]]", "window"),
    ("images", "--step 0.1 --pixel-size 0.5 --channel Z --direction backward", "direction"),
    ("images", "--step 0.1 --pixel-size 0.5 --cover islands", "--cover"),
    ("images", "--step 0.1 --pixel-size 0.5 --top 5", ""),
    ("images", "--step 0.1 --pixel-size 0.5 --z-top nan", "--z-top"),
    ("images", "--step 0.1 --pixel-size 0.5 --scale 0", "scale"),
    ("images", "--step 0.1 --pixel-size 0.5 --views 3", "views"),
    ("text.sxm", "", "text.sxm"),
    ("cut.png", "--step 0.1 --pixel-size 0.5", "cut.png"),
]


def test_bad_scans_end_in_one_line_and_leave_no_folder(pictures, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "a.png").write_bytes((pictures / "water_0.png").read_bytes())
    (tmp_path / "mixed" / "b.sxm").write_text("x")
    (tmp_path / "text.sxm").write_text("not a scan")
    (tmp_path / "cut.png").write_bytes((pictures / "water_0.png").read_bytes()[:60])
    for name, options, named in BAD:
        code = run(tmp_path / name, "--out", tmp_path / "o", *options.split(), "--refine", "false")
        lines = [s for s in capsys.readouterr().err.splitlines() if "error: " in s]
        assert code == 2 and len(lines) == 1 and named in lines[0], (name, options, lines)
        assert not (tmp_path / "o").exists()


def test_interrupted_work_says_so_and_leaves_no_folder(pictures, tmp_path, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(predict, "predict", interrupted)
    assert run(pictures, "--out", tmp_path / "a" / "b", "--step", 0.1, "--pixel-size", 0.5) == 130
    assert "interrupted" in capsys.readouterr().err and not (tmp_path / "a").exists()
