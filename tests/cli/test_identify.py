"""Scan and candidates in, the molecule out."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from rdkit import Chem

from torch_afm.cli import identify
from torch_afm.cli.main import main
from torch_afm.cli.parsers.identify import LISTS, parse
from torch_afm.config import IdentifyOptions, ScanPreparation
from torch_afm.datasets.smi import EMBEDDED
from torch_afm.identification import Fitter
from torch_afm.io import read_molecule, read_stack, write_stack

#: One of them is simulated; the smallest comparison that there is.
CANDIDATES = ["C1=CC=CC=C1", "c1ccsc1", "C1CC1"]
FEW = ["--fits", "2", "--starts", "8", "--compared", "3"]


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    path = tmp_path_factory.mktemp("scan") / "unknown.npz"
    window = ["--scan.window", "[[-6,6],[-6,6]]", "--scan.pixels", "[49,49]"]
    assert main(["simulate", "--smiles", "c1ccccc1", "--rotation", "flat", "--out", str(path), *window]) == 0
    return path


@pytest.fixture(scope="module")
def result(scan, tmp_path_factory):
    out = tmp_path_factory.mktemp("result") / "deep" / "out"
    assert main(["identify", str(scan), "--candidates", *CANDIDATES, "--out", str(out), *FEW]) == 0
    return out


def test_defaults_are_those_of_the_library():
    """No default is written twice."""
    args = parse(["scan.sxm", "--candidates", "a.smi", "CCO", "--out", "result"])
    assert args.options == IdentifyOptions() and args.candidates == ["a.smi", "CCO"] and args.like is None
    given = parse(["a", "b", "--candidates", "CCO", "--out", "c", "--center", "[1,2]", "--conformers", "5"])
    assert given.scan == ["a", "b"]
    assert given.options == IdentifyOptions(preparation=ScanPreparation(center=(1, 2)), conformers=5)


def test_what_is_like_a_structure_is_looked_for_in_the_lists_of_the_package():
    args = parse(["scan.sxm", "--like", "prediction", "--out", "result"])
    assert args.candidates == list(LISTS) == list(EMBEDDED) and args.nearest == 100


def test_the_molecule_is_found_where_it_lies(scan, result, capsys):
    record = json.loads((result / "identification.json").read_text("utf-8"))
    assert record["sure"] and record["verdict"].startswith("C1=CC=CC=C1, with a probability")
    best, second = record["answers"]
    assert best["probability"] > 0.9 > 0.1 > second["probability"] and record["others"] == ["C1CC1"]
    assert record["scan"] == ["unknown.npz"]
    # It was put in the middle; carbons of benzene are 1.39 Å from it.
    carbons = np.array([a["pos"] for a in best["atoms"] if a["element"] == "C"])
    assert np.abs(carbons.mean(0)[:2]).max() < 0.15
    np.testing.assert_allclose(np.linalg.norm(carbons[:, :2], axis=1), 1.39, atol=0.12)
    (mol, _) = Chem.SDMolSupplier(str(result / "poses.sdf"), removeHs=False)
    assert mol.GetProp("_Name") == "C1=CC=CC=C1" and mol.GetDoubleProp("probability") > 0.9
    assert (result / "report.png").read_bytes().startswith(b"\x89PNG")
    assert record["verdict"] in (result / "report.html").read_text("utf-8")


def test_an_interrupted_search_goes_on(scan, result, tmp_path, monkeypatch, capsys):
    """Candidates that were searched for before are read from the folder."""
    lines = (result / "compared.jsonl").read_text("utf-8").splitlines(keepends=True)
    assert len(lines) == len(CANDIDATES)
    shutil.copy(result / "compared.json", tmp_path)
    (tmp_path / "compared.jsonl").write_text("".join(lines[:2]))
    find, searched = Fitter.find, []

    def noted(self, candidate):
        searched.append(candidate.name)
        return find(self, candidate)

    monkeypatch.setattr(Fitter, "find", noted)
    assert main(["identify", str(scan), "--candidates", *CANDIDATES, "--out", str(tmp_path), *FEW]) == 0
    assert searched == CANDIDATES[2:]
    shown = capsys.readouterr().out
    assert "verdict    C1=CC=CC=C1, with a probability" in shown
    assert f"wrote      identification.json, poses.sdf, report.html, report.png to {tmp_path}" in shown
    first, second = (
        json.loads((folder / "identification.json").read_text("utf-8")) for folder in (result, tmp_path)
    )
    assert first["verdict"] == second["verdict"] and first["others"] == second["others"]


def test_other_candidates_want_another_folder(scan, result, capsys):
    assert main(["identify", str(scan), "--candidates", "CCO", "--out", str(result), *FEW]) == 2
    assert "with other settings (candidates)" in capsys.readouterr().err


def test_another_scan_or_geometry_wants_another_folder(scan, result, tmp_path, capsys):
    """Of the same size, with the same name."""
    stack = read_stack(scan)
    other = tmp_path / scan.name
    write_stack(other, dataclasses.replace(stack, stack=stack.stack[..., ::-1].copy()))
    assert main(["identify", str(other), "--candidates", *CANDIDATES, "--out", str(result), *FEW]) == 2
    assert "with other settings (scan)" in capsys.readouterr().err
    file = _written(tmp_path / "part.xyz")
    command = ["identify", str(scan), "--candidates", str(file), "--out", str(tmp_path / "o"), *FEW]
    assert main(command) == 0
    file.write_text(file.read_text().replace("C -2.2", "C -2.3"))
    assert main(command) == 2
    assert "with other settings (candidates)" in capsys.readouterr().err


def test_the_candidates_most_like_a_prediction(scan, tmp_path, monkeypatch):
    """A predicted structure is the query; it need not be whole."""
    asked = []

    def noted(scan, candidates, options, progress, folder):
        asked.extend(candidate.name for candidate in candidates)
        raise KeyboardInterrupt

    monkeypatch.setattr(identify, "identify", noted)
    part = read_molecule(_written(tmp_path / "part.xyz"))
    assert len(part.z) == 12
    lists = ["C1CC1", "c1ccc2ccccc2c1", "c1ccncc1", "CCCCO"]
    arguments = ["--candidates", *lists, "--like", str(tmp_path / "part.xyz"), "--nearest", "2"]
    assert main(["identify", str(scan), "--out", str(tmp_path / "o"), *arguments]) == 130
    assert asked == ["c1ccncc1", "c1ccc2ccccc2c1"] and not (tmp_path / "o").exists()


def _written(path):
    """Toluene without three of its hydrogens, as a network may find it."""
    lines = ["C 0 0 0", "C 1.4 0 0", "C 2.1 1.21 0", "C 1.4 2.42 0", "C 0 2.42 0", "C -0.7 1.21 0"]
    lines += ["H -0.54 -0.94 0", "H 1.94 -0.94 0", "H 3.18 1.21 0", "H 1.94 3.36 0", "H -0.54 3.36 0"]
    lines += ["C -2.2 1.21 0"]
    path.write_text(f"{len(lines)}\n\n" + "\n".join(lines) + "\n")
    return path


#: Options, and what the one line on stderr names.
BAD = [
    ([], "--candidates: expected molecules, or a structure"),
    (["--candidates", "nonsense"], "candidates: expected a file of molecules, organic, planar or a SMILES"),
    (["--candidates", "none.smi"], "none.smi: no such file"),
    (["--candidates", "CCO", "--fits", "0"], "--fits: expected 1 or more, got 0"),
    (["--candidates", "CCO", "--like", "none.json"], "none.json"),
    (["--candidates", "CCO", "--nearest", "0"], "--nearest"),
    (["--candidates", "CCO", "--nearest", "5"], "--nearest: expected --like beside it"),
    (["--candidates", "CCO", "--channel", "Z"], "channel"),
]


@pytest.mark.parametrize(("options", "named"), BAD)
def test_bad_input_ends_in_one_line_and_leaves_no_folder(scan, tmp_path, capsys, options, named):
    assert main(["identify", str(scan), "--out", str(tmp_path / "o"), *options]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if "error: " in line]
    assert len(lines) == 1 and named in lines[0]
    assert not (tmp_path / "o").exists()


def test_neither_scan_nor_prediction_is_overwritten(scan, tmp_path, capsys):
    assert main(["identify", str(scan.parent), "--candidates", "CCO", "--out", str(scan.parent)]) == 2
    assert "folder: expected another one than that of the scan" in capsys.readouterr().err
    atom = {"element": "C", "pos": [0, 0, 0]}
    (tmp_path / "prediction.json").write_text(json.dumps({"atoms": [atom], "context": []}))
    assert main(["identify", str(scan), "--candidates", "CCO", "--out", str(tmp_path)]) == 2
    assert "--out: expected another folder than that of a prediction" in capsys.readouterr().err
