"""Settings on their way from YAML and flags into a run."""

import dataclasses

import pytest
import yaml

from torch_afm.cli import train as module
from torch_afm.cli.main import main
from torch_afm.config import SequentialLossConfig, SpatialLossConfig, generator_config
from torch_afm.config.scenes import SceneConfig
from torch_afm.train import TrainConfig


def test_the_run_gets_the_settings_of_file_and_flags(monkeypatch, tmp_path, capsys):
    runs = []
    monkeypatch.setattr(module, "train", runs.append)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump({"epochs": 3, "lr": 2e-4, "molecules": None}))
    assert main(["train", "--config", str(tmp_path / "run.yaml"), "--lr", "1e-3", "--out", "runs/x"]) == 0
    assert runs == [TrainConfig(out="runs/x", epochs=3, lr=1e-3)]
    assert "runs/x/model" in capsys.readouterr().out


def test_the_example_config_is_complete_and_valid(monkeypatch, pytestconfig):
    runs = []
    monkeypatch.setattr(module, "train", runs.append)
    example = pytestconfig.rootpath / "examples" / "configs" / "small.yaml"
    assert main(["train", "--config", str(example)]) == 0
    (config,) = runs
    settings = yaml.safe_load(example.read_text())
    assert config.model == generator_config(settings.pop("preset"))
    for key, value in settings.items():
        assert getattr(config, key) == value


def _trained(monkeypatch, *options):
    """The settings that a command trains with."""
    runs = []
    monkeypatch.setattr(module, "train", runs.append)
    assert main(["train", *options]) == 0
    return runs[0]


def test_every_example_is_valid(monkeypatch, pytestconfig):
    for example in (pytestconfig.rootpath / "examples" / "configs").glob("*.yaml"):
        if example.name != "style.yaml":
            settings = yaml.safe_load(example.read_text())
            found = _trained(monkeypatch, "--config", str(example))
            assert found.model.z_min == settings.get("model", {}).get("z_min", -0.7)


def test_network_and_loss_have_the_settings_of_the_preset_and_those_given(monkeypatch, tmp_path):
    found = _trained(monkeypatch, "--model.channels", "[8,16]", "--loss.stop_weight", "0.2")
    assert found.model == dataclasses.replace(generator_config("spatial"), channels=(8, 16))
    assert found.loss == SpatialLossConfig(stop_weight=0.2)
    # A file decides on the preset, too, and options that follow go on from there.
    file = {"preset": "small", "model": {"node_channels": 7, "groups": [["H"], ["C", "N"], ["I"]]}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(file | {"loss": {"edge_weight": 0.5}}))
    more = ["--model.scan.pixels", "[32,32]", "--loss.node_weight", "1"]
    found = _trained(monkeypatch, "--config", str(tmp_path / "run.yaml"), *more)
    expected = generator_config("small")
    expected = dataclasses.replace(
        expected,
        scan=dataclasses.replace(expected.scan, pixels=(32, 32)),
        groups=(("H",), ("C", "N"), ("I",)),
        node_channels=7,
    )
    assert found.model == expected and found.loss == SequentialLossConfig(1.0, 0.5)


def test_scenes_and_geometries(monkeypatch, tmp_path):
    expected = TrainConfig(scenes=500, scene=SceneConfig(water=0.0, gap=(0.0, 1.0)), geometry="xtb")
    options = ["--scenes", "500", "--scene.water", "0", "--scene.gap", "[0,1]", "--geometry", "xtb"]
    assert _trained(monkeypatch, *options) == expected
    file = {"scenes": 500, "scene": {"water": 0.0, "gap": [0.0, 1.0]}, "geometry": "xtb"}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(file))
    assert _trained(monkeypatch, "--config", str(tmp_path / "run.yaml")) == expected


def test_lists_of_molecules(monkeypatch, tmp_path):
    for file, options, expected in (
        ("molecules: planar", [], "planar"),
        ("molecules: [organic, my.smi]", [], ("organic", "my.smi")),
        ("epochs: 2", ["--molecules", "organic", "planar"], ("organic", "planar")),
        ("molecules: [organic, planar]", ["--molecules", "planar"], "planar"),
    ):
        (tmp_path / "run.yaml").write_text(file + "\n")
        found = _trained(monkeypatch, "--config", str(tmp_path / "run.yaml"), *options)
        assert found.molecules == expected


def test_help_lists_the_settings_of_the_preset(capsys):
    for preset, there, absent in (
        ("spatial", "stop_weight", "node_"),
        ("scan", "parent_weight", "stop_weight"),
        ("small", "node_channels", "z_context"),
    ):
        with pytest.raises(SystemExit):
            main(["train", "--preset", preset, "--help"])
        text = capsys.readouterr().out
        assert there in text and absent not in text and "--model.scan.pixels" in text


def test_wrong_settings_of_the_network(capsys, tmp_path):
    (tmp_path / "wrong.yaml").write_text("preset: [1]\n")
    for line, message in (
        ("--preset large", "preset: expected one of spatial, scan, thesis"),
        ("--preset", "--preset"),
        ("--preset small --model.channels [8]", "--model.channels"),
        ("--model.channels eight", "--model.channels"),
        ("--model.z_min 1", "z_min: expected a negative depth"),
        ("--loss.stop_weight -1", "stop_weight: expected a finite weight"),
        (f"--config {tmp_path / 'wrong.yaml'}", "preset"),
        (f"--config {tmp_path / 'none.yaml'}", "none.yaml"),
    ):
        assert main(["train", *line.split()]) == 2
        (printed,) = capsys.readouterr().err.splitlines()
        assert message in printed, printed


def test_a_bad_setting_is_one_line(capsys, tmp_path):
    for lists in ("3", "[planar, 3]", "{organic: planar}"):
        (tmp_path / "run.yaml").write_text(f"molecules: {lists}\n")
        assert main(["train", "--config", str(tmp_path / "run.yaml")]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "--molecules: expected text, got" in line
    assert main(["train", "--epochs", "0"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("torch-afm train: error: ")
    assert "epochs: expected at least 1, got 0" in line
