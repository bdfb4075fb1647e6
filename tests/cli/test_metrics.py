"""Folders of structures in; tables, pictures, JSON and CSV out."""

import csv
import json

import ase.db
import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from torch_afm.cli.main import main
from torch_afm.io import read_atoms
from torch_afm.metrics import StructureSettings, structure_features
from torch_afm.metrics.distributions import wasserstein

FILES = {"metrics.json", "metrics.csv", "distributions.png", "radar.png"}


def _water(seed: int, spacing: float = 2.8, jitter: float = 0.05) -> Atoms:
    """Nine molecules on a square lattice, periodic in the plane, one O-H along x."""
    rng = np.random.default_rng(seed)
    one = molecule("H2O")
    one.positions -= one.positions[0]
    one.rotate(one.positions[1], "x")
    layer = Atoms(cell=[3 * spacing, 3 * spacing, 20], pbc=[True, True, False])
    for i in range(3):
        for j in range(3):
            copy = one.copy()
            copy.translate([i * spacing, j * spacing, 10])
            layer += copy
    layer.positions += rng.normal(scale=jitter, size=(len(layer), 3))
    return layer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Theory as extended xyz, and predictions in a folder of plain xyz and in a database."""
    root = tmp_path_factory.mktemp("structures")
    (root / "theory").mkdir()
    (root / "near").mkdir()
    for i in range(6):
        ase.io.write(root / "theory" / f"{i}.extxyz", _water(i))
    for i in range(4):
        flat = _water(10 + i, 2.9)
        rows = "".join(f"{a.number} {a.x} {a.y} {a.z}\n" for a in flat)
        (root / "near" / f"image{i // 2}_d{90 * (i % 2)}.xyz").write_text(f"{len(flat)}\n\n{rows}")
    with ase.db.connect(root / "far.db") as database:
        for i in range(4):
            database.write(_water(20 + i, 3.2, 0.1))
    return root


def _run(folder, out, *options):
    near, far, theory = (str(folder / n) for n in ("near", "far.db", "theory"))
    given = ["--reference", theory, "--out", str(out), "--bootstrap", "20"]
    return main(["metrics", near, far, *given, *options])


def test_numbers_are_those_of_the_library(folder, tmp_path, capsys):
    out = tmp_path / "deep" / "out"
    assert _run(folder, out, "--features", "[d_OO,hbond]", "--same", "_d[0-9]+") == 0
    printed, error = capsys.readouterr()
    assert error == ""
    assert {f.name for f in out.iterdir()} == FILES
    document = json.loads((out / "metrics.json").read_text())
    assert list(document["predictions"]) == ["near", "far.db"]
    assert document["structure"]["pair_cutoff"] == 3.5
    assert document["same"] == "_d[0-9]+"
    assert document["results"]["near"]["settings"]["units"] == 2
    assert document["results"]["far.db"]["settings"]["units"] == 4
    reference = structure_features(read_atoms(folder / "theory"))
    for label in ("near", "far.db"):
        found = structure_features(read_atoms(folder / label))
        for name in ("d_OO", "hbond"):
            expected = wasserstein(*(np.concatenate([p[name] for p in side]) for side in (found, reference)))
            numbers = document["results"][label]["features"][name]["distances"]["wasserstein"]["raw"]
            assert numbers["value"] == pytest.approx(expected, rel=1e-9)
    assert "wasserstein, normalized" in printed
    with open(out / "metrics.csv", encoding="utf-8", newline="") as opened:
        settings = json.loads(opened.readline().removeprefix("# "))
        rows = list(csv.DictReader(opened))
    assert settings["structure"]["pair_cutoff"] == 3.5
    assert settings["distances"]["near"]["n"] == 20
    (row,) = (
        r
        for r in rows
        if [r[k] for k in ("predictions", "feature", "distance", "scale")]
        == ["near", "d_OO", "energy", "raw"]
    )
    found = document["results"]["near"]["features"]["d_OO"]["distances"]["energy"]["raw"]
    assert [float(row[k]) for k in ("value", "low", "high", "floor")] == [
        found["value"],
        *found["interval"],
        found["floor"],
    ]
    assert int(row["reference_values"]) == document["results"]["near"]["features"]["d_OO"]["reference"]


def test_conventions_are_settings(folder, tmp_path):
    options = ["--features", "[d_OO]", "--compat", "huang2025", "--pair_cutoff", "3.3"]
    assert _run(folder, tmp_path, *options) == 0
    document = json.loads((tmp_path / "metrics.json").read_text())
    settings = StructureSettings.huang2025(pair_cutoff=3.3)
    reference = [p["d_OO"] for p in structure_features(read_atoms(folder / "theory"), settings)]
    found = document["results"]["near"]["features"]["d_OO"]
    assert found["reference"] == sum(map(len, reference))
    assert document["structure"]["ordered_pairs"] is True
    assert document["structure"]["layer"] == [4.85, "Infinity"]
    assert "sinkhorn" not in found["distances"]  # on a line the published distance is the exact one


def test_the_same_seed_gives_the_same_numbers(folder, tmp_path):
    results = []
    for i, seed in enumerate((0, 0, 1)):
        assert _run(folder, tmp_path / str(i), "--features", "[d_OO]", "--seed", str(seed)) == 0
        results.append((tmp_path / str(i) / "metrics.csv").read_text().splitlines()[1:])
    assert results[0] == results[1] != results[2]


def test_as_a_user_runs_it(cli, folder, tmp_path):
    theory = folder / "theory"
    options = ["--out", tmp_path, "--bootstrap", 5, "--features", "[HOH]"]
    result = cli("metrics", theory, "--reference", theory, *options)
    assert (result.returncode, result.stderr) == (0, "")
    assert "6 reference structures" in result.stdout


def test_an_empty_prediction_is_told_of(folder, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.xyz").write_text((folder / "near" / "image0_d0.xyz").read_text())
    (tmp_path / "mine" / "b.xyz").write_text("0\n\n")
    arguments = ["--reference", str(folder / "theory"), "--out", str(tmp_path / "out"), "--features", "[HOH]"]
    with pytest.warns(UserWarning, match="mine: 1 of 2 structures have no atoms"):
        assert main(["metrics", str(tmp_path / "mine"), *arguments]) == 0


#: Options -> what the error says.
BAD = [
    (["{}/none", "--reference", "{}/theory"], "no such file or folder"),
    (["{}/theory"], "reference"),
    (["{}/theory", "--reference", "{}/near"], "found none"),
    (["{}/bad", "--reference", "{}/theory"], "cut.xyz, line 3: expected 3 atom line(s)"),
    (["{}/theory", "--reference", "{}/bad"], "cut.xyz, line 3"),
    (["{}/theory", "{}/theory", "--reference", "{}/theory"], "expected folders of different names"),
    (
        ["{}/theory", "--reference", "{}/theory/0.extxyz"],
        "expected two structures or more, to halve, got 1",
    ),
    (["{}/gold.xyz", "--reference", "{}/theory"], "gold.xyz: expected values of d_OO"),
    (["{}/theory", "--reference", "{}/theory", "--features", "[d_OX]"], "'d_OX'"),
    (["{}/theory", "--reference", "{}/theory", "--features", "[]"], "--features: expected at least one"),
    (["{}/theory", "--reference", "{}/theory", "--compat", "huang"], "--compat"),
    (["{}/theory", "--reference", "{}/theory", "--pair_cutoff", "-1"], "pair_cutoff"),
    (["{}/theory", "--reference", "{}/theory", "--layer", "[5,4]"], "layer: expected a lower"),
    (["{}/theory", "--reference", "{}/theory", "--max-values", "0"], "--max-values"),
    (["{}/theory", "--reference", "{}/theory", "--bootstrap", "-1"], "--bootstrap"),
    (["{}/theory", "--reference", "{}/theory", "--same", "("], "--same: expected a regular expression"),
    (["{}/theory", "--reference", "{}/theory", "--out", "/proc/none/x"], "/proc/none"),
]


def test_bad_input_is_one_line(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("bad", "theory", "near"):
        (tmp_path / name).mkdir()
    for file in (folder / "theory").iterdir():
        (tmp_path / "theory" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "bad" / "cut.xyz").write_text("3\n\nO 0 0 0\n")
    (tmp_path / "gold.xyz").write_text("1\n\nAu 0 0 0\n")
    for options, told in BAD:
        assert main(["metrics", *(o.replace("{}", str(tmp_path)) for o in options)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("torch-afm metrics: error: ")
        assert told in line


def test_a_cell_for_files_that_leave_it_out(folder, tmp_path, capsys):
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in sorted((folder / "theory").iterdir()):
        rows = "".join(f"{a.symbol} {a.x} {a.y} {a.z}\n" for a in ase.io.read(file))
        (bare / f"{file.stem}.xyz").write_text(f"27\n\n{rows}")
    given = ["--bootstrap", "0", "--features", "[d_OO]"]
    counts = []
    for cell in ([], ["--cell", "[8.4,8.4]"]):
        out = tmp_path / f"out{len(cell)}"
        files = [str(folder / "near"), "--reference", str(bare), "--out", str(out)]
        code = main(["metrics", *files, *given, *cell])
        assert code == 0
        counts.append(json.loads((out / "metrics.json").read_text())["results"])
    plain = _run(folder, tmp_path / "own", "--features", "[d_OO]")
    assert plain == 0
    own = json.loads((tmp_path / "own" / "metrics.json").read_text())["results"]

    def reference(results):
        return next(iter(results.values()))["features"]["d_OO"]["reference"]

    assert reference(counts[1]) == reference(own) > reference(counts[0])
    wrong = ["--cell", "[8.4]"]
    assert main(["metrics", str(folder / "near"), "--reference", str(bare), *given, *wrong]) == 2
    assert "--cell: expected two lengths" in capsys.readouterr().err
