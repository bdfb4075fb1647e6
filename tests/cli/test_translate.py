import numpy as np
import pytest
import torch
import yaml

from torch_afm import train as training
from torch_afm.cli.main import main
from torch_afm.config import Scaling, TranslatorConfig
from torch_afm.io import AFMStack, read_stack, write_stack
from torch_afm.models import StyleTranslator
from torch_afm.style import Choice


@pytest.fixture
def runs(monkeypatch):
    """Configurations that would have been trained."""
    found = []
    monkeypatch.setattr(
        training, "train_style", lambda config: found.append(config) or Choice(4, {4: 1.0}, {})
    )
    return found


@pytest.fixture
def stack(tmp_path):
    values = np.random.default_rng(0).normal(-9, 3, (1, 3, 17, 21)).astype(np.float32)
    path = tmp_path / "stack.npz"
    write_stack(
        path, AFMStack(values, np.arange(21) / 4, np.arange(17) / 4, -np.arange(3) / 10, {"molecule": "CO"})
    )
    return path


def test_apply_writes_the_translated_stack(tmp_path, stack, capsys):
    torch.manual_seed(0)
    translator = StyleTranslator(TranslatorConfig(width=2, blocks=1, tile=16, overlap=4)).eval()
    translator.save_pretrained(tmp_path / "forward")
    out = tmp_path / "new" / "translated.npz"
    arguments = ["translate", "apply", str(stack), "--weights", str(tmp_path / "forward"), "--out", str(out)]
    assert main(arguments) == 0
    source, result = read_stack(stack), read_stack(out)
    expected = translator(torch.from_numpy(source.stack)[None])[0].numpy()
    np.testing.assert_array_equal(result.stack, expected)
    for axis in "xyz":
        np.testing.assert_array_equal(getattr(result, axis), getattr(source, axis))
    note = result.meta.pop("translated")
    assert result.meta == source.meta and note["weights"] == str(tmp_path / "forward")
    assert out.with_suffix(".png").stat().st_size > 1000 and "translated.npz" in capsys.readouterr().out


def test_train_gets_the_settings_of_file_and_flags(tmp_path, runs, capsys):
    document = {"epochs": 3, "target": {"kind": "fixed", "low": -30.0, "high": 5.0}}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(document))
    assert (
        main(["translate", "train", "--config", str(tmp_path / "run.yaml"), "--lr", "1e-3", "--out", "x"])
        == 0
    )
    target = Scaling("fixed", -30.0, 5.0)
    assert runs == [training.StyleConfig(out="x", epochs=3, lr=1e-3, target=target)]
    assert "epoch 4 of 103" in capsys.readouterr().out


def test_the_example_config_is_complete_and_valid(runs, pytestconfig):
    example = pytestconfig.rootpath / "examples" / "configs" / "style.yaml"
    assert main(["translate", "train", "--config", str(example)]) == 0
    for key, value in yaml.safe_load(example.read_text()).items():
        found = getattr(runs[0], key)
        assert found == (Scaling(**value) if isinstance(value, dict) else value)


def test_no_translation_fails(monkeypatch, capsys):
    monkeypatch.setattr(training, "train_style", lambda config: Choice(None, {}, {1: "slices correlate"}))
    assert main(["translate", "train"]) == 1
    assert "no translation" in capsys.readouterr().out


#: Arguments -> what the error says.
BAD = [
    ([], "expected an action, train or apply, got nothing"),
    (["predict"], "expected an action, train or apply, got predict"),
    (["train", "--crop", "30"], "crop: expected a multiple of 4"),
    (["apply", "{}/none.npz", "--weights", "{}", "--out", "{}/o.npz"], "none.npz: no such file"),
    (
        ["apply", "{}/stack.npz", "--weights", "{}", "--out", "{}/o.npz"],
        "expected a saved StyleTranslator",
    ),
    (["apply", "{}/stack.npz", "--weights", "{}", "--out", "{}/o.png"], "--out: expected the name"),
]


def test_bad_input_is_one_line(tmp_path, stack, capsys):
    for arguments, message in BAD:
        assert main(["translate", *(a.format(tmp_path) for a in arguments)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("torch-afm translate: error: ") and message in line
