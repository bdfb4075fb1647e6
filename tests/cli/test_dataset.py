"""Training data from the command line."""

import json
import re
import subprocess
import sys

import ase.io
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from torch_afm.cli import sheets as sheets_module
from torch_afm.cli.main import main
from torch_afm.config import Scan
from torch_afm.data import from_smiles
from torch_afm.datasets import (
    CacheConfig,
    Manifest,
    MoleculeDataset,
    RotatedMolecules,
    SceneConfig,
    Scenes,
    StoredReferences,
    SurfaceWindows,
    embedded_smiles,
    slab_from_ase,
    split_by_molecule,
    water_bilayer,
)
from torch_afm.datasets.geometries import xtb_molecule
from torch_afm.io import AFMStack, write_stack, write_xyz
from torch_afm.testing import assert_same_graph

SMILES = ["C", "CC", "CO", "O", "N", "CN", "C#N", "C=O", "CF", "CCl", "C=C", "C#C", "OO"]
SMALL = ["--scan.pixels", "[12,10]", "--scan.n_slices", "3", "--rotations", "3", "--file_samples", "4"]


@pytest.fixture
def molecules(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "few.smi").write_text("\n".join(SMILES))
    return "few.smi"


def test_a_part_of_the_split_is_rendered(molecules, tmp_path, capsys):
    arguments = ["dataset", "--molecules", molecules, "--part", "val", "--seed", "2", "--out", "data", *SMALL]
    assert main([*arguments, "--draws", "2", "--storage", "uint8"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == (
        "molecules  1 (val) of 13 molecules of few.smi; 3 rotations, 2 tip draw(s) each: "
        "6 stacks of 12 x 10 x 3 in 2 files"
    )
    assert re.fullmatch(
        r"to render  6 stacks into 2 files: about [\d.]+ kB and \d+ (s|min), by a few of them", printed[1]
    )
    assert printed[2] == "rendered   2 of 2 files now, 0 were there and intact"
    manifest = Manifest.read(tmp_path / "data")
    scan = Scan(pixels=(12, 10), n_slices=3)
    assert manifest.config == CacheConfig(scan, rotations=3, draws=2, storage="uint8", file_samples=4, seed=2)
    source = MoleculeDataset(SMILES)
    expected = RotatedMolecules([source[int(i)] for i in source.split(2)[1]], rotations=3, seed=2)
    for i in range(3):
        assert_same_graph(StoredReferences("data").graph(i), expected.oriented(i))

    assert main([*arguments, "--draws", "2", "--storage", "uint8"]) == 0
    again = capsys.readouterr().out
    assert "rendered   0 of 2 files now, 2 were there and intact" in again and "to render" not in again
    assert main([*arguments, "--draws", "2"]) == 2
    assert "data: holds training data with other settings (storage)" in capsys.readouterr().err


def test_surfaces_are_rendered(molecules, capsys):
    layers = [water_bilayer(seed, size=6) for seed in range(5)]
    ase.io.write("layers.extxyz", layers)
    arguments = ["dataset", "--structures", "layers.extxyz", "--part", "train", "--out", "data", *SMALL]
    assert main(arguments) == 0
    assert "molecules  4 (train) of 5 surfaces of layers.extxyz; 3 rotations" in capsys.readouterr().out
    train = split_by_molecule(5)[0]
    expected = SurfaceWindows([slab_from_ase(layers[i]) for i in train], Scan(pixels=(12, 10)), windows=3)
    found = StoredReferences("data")
    assert found.manifest.surfaces and len(found) == 12
    assert_same_graph(found.graph(4), expected.oriented(4), atol=1e-3)
    for more in (["--stats"], ["--molecules", molecules]):
        assert main([*arguments, *more]) == 2
        assert "--structures: expected none of --molecules, --geometry and --stats" in capsys.readouterr().err


def test_geometries_with_dipoles(tmp_path):
    smiles = embedded_smiles("planar")[:2]
    (tmp_path / "planar.smi").write_text("\n".join(smiles))
    arguments = ["dataset", "--molecules", str(tmp_path / "planar.smi"), "--geometry", "xtb", "--part", "all"]
    assert main([*arguments, "--out", str(tmp_path / "data"), *SMALL]) == 0
    stored = StoredReferences(tmp_path / "data")
    length = stored.graph(0).dipole.norm(dim=1)
    assert torch.allclose(length, xtb_molecule(smiles[0]).dipole.norm(dim=1), atol=1e-5) and length.any()


def test_scenes_are_rendered(molecules, capsys):
    scenes = ["--scenes", "5", "--scene.water", "0", "--scene.metals", "[Ag]"]
    arguments = ["dataset", "--molecules", molecules, "--part", "train", "--out", "data", *SMALL, *scenes]
    assert main([*arguments, "--draws", "2"]) == 0
    assert "10 (train) of 13 molecules of few.smi; 5 scenes, 2 tip draw(s) each: 10 stacks" in (
        capsys.readouterr().out
    )
    stored = StoredReferences("data")
    config = SceneConfig(water=0.0, metals=("Ag",))
    assert (stored.manifest.config.scenes, stored.manifest.config.scene) == (5, config)
    assert repr(stored) == "StoredReferences('data', 5 scenes)"
    source = MoleculeDataset(SMILES)
    train = [source[int(i)] for i in source.split()[0]]
    expected = Scenes(train, Scan(pixels=(12, 10)), config, scenes=5)
    assert stored.molecules.margin == expected.margin
    for i in range(5):
        assert_same_graph(stored.graph(i), expected.oriented(i))
    for more, words in (
        (["--scene.water", "0.2"], "data: holds training data with other settings (scene)"),
        (["--scene.water", "-1"], "alone, several, island, layer, water: expected weights"),
        (["--scenes", "-5"], "scenes: expected a number, 0 or more, got -5"),
        (["--scenes", "0"], "scene: expected the default settings without scenes"),
        (["--scene.bogus", "1"], "--scene.bogus"),
    ):
        assert main([*arguments, "--draws", "2", *more]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line


def test_no_scenes_of_surfaces(molecules, capsys):
    ase.io.write("layers.extxyz", [water_bilayer(seed, size=6) for seed in range(5)])
    assert main(["dataset", "--structures", "layers.extxyz", "--scenes", "3", *SMALL]) == 2
    assert "scenes: expected 0 for periodic surfaces, got 3" in capsys.readouterr().err


def test_parts_of_several_lists(molecules, tmp_path, capsys):
    (tmp_path / "more.smi").write_text("\n".join(["OC", *SMILES[:3]]))
    arguments = ["dataset", "--molecules", molecules, "more.smi", "--part", "train", "--out", "data", *SMALL]
    assert main(arguments) == 0
    mix = MoleculeDataset.read([molecules, "more.smi"])
    train = mix.split()[0]
    assert f"{len(train)} (train) of 17 molecules of few.smi and more.smi" in capsys.readouterr().out
    assert list(StoredReferences("data").manifest.molecules) == [mix.names[i] for i in train]


def test_shards_fill_one_folder(molecules, capsys):
    arguments = ["dataset", "--molecules", molecules, "--part", "all", "--out", "data", *SMALL]
    for i, there in ((2, 5), (1, 10)):
        assert main([*arguments, "--shard", f"{i}/2"]) == 0
        assert f"data: {there} of 10 files" in capsys.readouterr().out
    assert len(StoredReferences("data")) == 39


def test_molecules_of_an_xyz_file(molecules, capsys):
    write_xyz("water.xyz", from_smiles("O"))
    assert main(["dataset", "--molecules", "water.xyz", "--part", "all", *SMALL]) == 0
    assert "molecules  1 molecules of water.xyz" in capsys.readouterr().out
    assert StoredReferences("training_data").graph(0).z.tolist() == [8, 1, 1]


def test_stats(molecules, tmp_path, capsys):
    arguments = ["dataset", "--stats", "--molecules", molecules, "--part", "all", "--out", "new/stats"]
    assert main([*arguments, "--rotations", "2", "--scan.pixels", "[16,16]"]) == 0
    printed = capsys.readouterr().out
    assert "26 rotations of 13 molecules" in printed
    assert ["P", "0.0", "0.2"] in [line.split() for line in printed.splitlines()]
    names = ["augmentations.png", "sample.png", "stacks.png", "stats.json", "stats.png"]
    assert sorted(p.name for p in (tmp_path / "new" / "stats").iterdir()) == names
    stats = json.loads((tmp_path / "new" / "stats" / "stats.json").read_text())
    assert (
        stats["sizes"] == {"3": 2, "4": 5, "5": 3, "6": 2, "7": 1, "8": 1}
        or sum(stats["sizes"].values()) == 13
    )
    assert stats["thesis"]["H"] == 94.2


def test_stats_of_scenes_beside_measured_stacks(molecules, tmp_path, capsys, monkeypatch):
    sheets = []
    monkeypatch.setattr(sheets_module, "plot_contact_sheet", lambda e: sheets.append(e) or Figure())
    monkeypatch.setattr(sheets_module, "stack_panels", lambda stack: stack)
    values = np.random.default_rng(0).normal(size=(1, 4, 8, 9))
    write_stack("scan.npz", AFMStack(values, np.arange(9.0), np.arange(8.0), np.arange(4.0)[::-1] / 10))
    arguments = ["dataset", "--stats", "--molecules", molecules, "--part", "all", "--rotations", "2"]
    arguments += ["--scenes", "3", "--scene.metal", "0.5", "--scan.pixels", "[16,16]"]
    arguments += ["--nuisances.slices", "[3,3]", "--nuisances.step", "[0.3,0.3]", "--nuisances.uneven", "0"]
    arguments += ["--nuisances.probes", "[0,1,0]", "--nuisances.inverted", "1", "--nuisances.double_tip", "1"]
    arguments += ["--nuisances.scale", "0.1", "--nuisances.shear", "0", "--nuisances.window", "[9,9]"]
    assert main([*arguments, "--measured", "scan.npz", "--out", "stats"]) == 0
    printed = capsys.readouterr().out
    assert "26 rotations of 13 molecules" in printed and "sample.png (scene " in printed
    measured, *drawn = sheets[0]
    assert measured.title == "measured: scan.npz" and measured.caption == "4 slices over 0.3 Å, 8.0 x 7.0 Å"
    assert sorted(entry.title for entry in drawn) == ["scene 0", "scene 1", "scene 2"]
    for entry in drawn:
        assert entry.caption.startswith("3 slices over 0.6 Å, nearest ")
        assert ", Xe " in entry.caption and "double tip" in entry.caption and "inverted" in entry.caption
        scales = re.search(r"scale ([\d.]+) x ([\d.]+), shear 0.00", entry.caption).groups()
        assert all(0.9 <= float(scale) <= 1.1 for scale in scales)
        there = np.isfinite(entry.panels.values)
        assert there.shape == (10, 16, 16)
        # The slots of 0 to 0.6 Å above the nearest slice, in a window of 9 Å.
        assert there.any(axis=(1, 2)).tolist() == [False] * 3 + [True] * 7
        assert all(8 <= there.any(axis=axes).sum() <= 10 for axes in ((0, 1), (0, 2)))
    without = ["dataset", "--molecules", molecules]
    for line, message in (
        ([*arguments, "--measured", "none.npz"], "none.npz"),
        ([*without, "--measured", "scan.npz"], "--measured, --nuisances: expected none without --stats"),
        ([*without, "--nuisances.scale", "0"], "--measured, --nuisances: expected none without --stats"),
        ([*arguments, "--nuisances.scale", "3"], "scale: expected 0 to 0.5, got 3"),
    ):
        assert main(line) == 2
        (row,) = capsys.readouterr().err.splitlines()
        assert message in row


#: What is refused, and what the message names.
REFUSED = [
    ("--shard 3", "--shard: expected i/n, as in 3/16, got '3'"),
    ("--shard 17/16", "shard: expected i/n with 1 ≤ i ≤ n, got 17/16"),
    ("--molecules few.txt", "few.txt: expected a file ending in .smi, "),
    ("--molecules none.smi", "none.smi"),
    ("--molecules one.smi --part test", "--part: expected enough molecules for a test part, got 1"),
    ("--molecules few.smi --part all --out few.smi", "few.smi: File exists"),
    ("--molecules few.smi --part all --storage float64", "storage: expected one of float16, uint8"),
    ("--molecules few.smi --part all --out training --seed 1", "other settings (seed)"),
    ("--part everything", "--part"),
    ("--workers -1", "--workers"),
    ("--bogus 1", "--bogus"),
    ("--molecules few.smi --part all --backend cuda", "--backend: torch sees no CUDA device"),
]


def test_one_line_and_exit_status_2(molecules, tmp_path, capsys, monkeypatch):
    (tmp_path / "one.smi").write_text("C\n")
    assert main(["dataset", "--molecules", "few.smi", "--part", "all", "--out", "training", *SMALL]) == 0
    capsys.readouterr()
    monkeypatch.setitem(sys.modules, "cupy", None)
    for line, message in REFUSED:
        settings = SMALL if "--out training" in line else []
        assert main(["dataset", *line.split(), *settings]) == 2
        (printed,) = capsys.readouterr().err.splitlines()
        assert printed.startswith("torch-afm dataset: error: ")
        assert message in printed


def test_without_h5py(molecules, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert main(["dataset", "--molecules", molecules, "--part", "all", *SMALL]) == 2
    assert "pip install 'torch_afm[io]'" in capsys.readouterr().err


@pytest.mark.slow
def test_a_disk_that_refuses_large_files(molecules, tmp_path):
    """A real failure of a real write, in a worker; then, with room, the same command goes on."""
    pytest.importorskip("resource")
    # The torch backend, for OpenCL would write what it compiles.
    command = ["dataset", "--molecules", molecules, "--part", "val", "--backend", "torch", *SMALL]
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000));"
        "from torch_afm.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    MoleculeDataset.read("few.smi")  # into the cache, which has no room either
    run = [sys.executable, "-c", limited, *command, "--workers", "1"]
    result = subprocess.run(run, capture_output=True, text=True)
    assert result.returncode == 2, result.stderr
    (line,) = [row for row in result.stderr.splitlines() if "error" in row]
    assert "stacks-00000.h5: File too large; finished files are kept" in line
    assert not list((tmp_path / "training_data").glob("*.h5"))
    assert not list((tmp_path / "training_data").glob(".*"))
    assert main(command) == 0
    assert len(StoredReferences("training_data")) == 3
