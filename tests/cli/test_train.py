"""Settings on their way from YAML and flags into a run."""

import yaml

from torch_afm.cli import train as module
from torch_afm.cli.main import main
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
    assert config.preset == "small"
    for key, value in yaml.safe_load(example.read_text()).items():
        assert getattr(config, key) == value


def test_a_bad_setting_is_one_line(capsys):
    assert main(["train", "--epochs", "0"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("torch-afm train: error: ")
    assert "epochs: expected at least 1, got 0" in line
