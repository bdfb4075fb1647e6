import csv
import json

import pytest
import torch

from torch_afm.models import StyleTranslator
from torch_afm.train import StyleConfig, StyleModule, train_style
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt

SETTINGS = {
    "width": 2,
    "blocks": 1,
    "critic_width": 2,
    "crop": 16,
    "epochs": 1,
    "decay_epochs": 1,
    "epoch_pairs": 4,
    "pool": 2,
    "noise": True,
    "validation": 4,
    "every": 1,
    "min_correlation": -1.0,
    "max_lost": 1.0,
    "threads": 1,
    "accelerator": "cpu",
    "progress": False,
}


def stacks(seed, offset):
    generator = torch.manual_seed(seed)
    smooth = torch.nn.functional.avg_pool2d(torch.randn(6, 3, 40, 42, generator=generator), 7, 1)
    return list(smooth + offset * torch.randn(6, 3, 34, 36, generator=generator))


def run(out, **changes):
    return train_style(StyleConfig(out=str(out), **(SETTINGS | changes)), stacks(0, 0.0), stacks(1, 0.1))


def weights(folder):
    return StyleTranslator.from_pretrained(folder).state_dict()


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, monkeypatch):
    choice = run(tmp_path / "whole")
    with monkeypatch.context() as patch:

        def stop(self):
            if self.current_epoch == 1:
                raise RuntimeError("killed")

        patch.setattr(StyleModule, "on_train_epoch_start", stop)
        with pytest.raises(RuntimeError, match="killed"):
            run(tmp_path / "killed")
    assert not (tmp_path / "killed" / "epochs" / "0002").exists()
    assert run(tmp_path / "killed") == choice
    for name in ("epochs/0002/forward", "epochs/0002/backward", "forward", "backward"):
        whole, resumed = (weights(tmp_path / run / name) for run in ("whole", "killed"))
        assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    first, second = (weights(tmp_path / "whole" / "epochs" / e / "forward") for e in ("0001", "0002"))
    assert any(not torch.equal(first[key], second[key]) for key in first)

    out = tmp_path / "whole"
    rows = json.loads((out / "evaluation.json").read_text())
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    # Epoch 0 is the source itself.
    for way in ("content", "backward"):
        assert rows[0][way]["correlation"] == pytest.approx(1) == rows[0][way]["ssim"]
    assert rows[2]["backward"]["correlation"] < 0.999
    assert rows == json.loads((tmp_path / "killed" / "evaluation.json").read_text())
    chosen = weights(out / "epochs" / f"{choice.epoch:04d}" / "forward")
    assert all(torch.equal(chosen[key], value) for key, value in weights(out / "forward").items())
    for picture in ("evaluation.png", "epochs/0001/samples.png", "epochs/0002/samples.png"):
        assert (out / picture).stat().st_size > 1000
    with open(out / "curves" / "version_0" / "metrics.csv") as file:
        assert len([row for row in csv.DictReader(file) if row["train/cycle"]]) == 2
    with pytest.raises(InputError, match=r"whole: holds a run with other settings \(lr\)"):
        run(out, lr=0.1)
    with pytest.raises(InputError, match=r"whole: holds a run with other settings \(b_sha256\)"):
        train_style(StyleConfig(out=str(out), **SETTINGS), stacks(0, 0.0), stacks(2, 0.1))


def test_a_run_that_destroys_content_is_named(tmp_path):
    settings = {"epochs": 1, "decay_epochs": 0, "epoch_pairs": 1, "min_correlation": 1.0}
    settings |= {"context": 1, "slices": 3}
    with pytest.warns(UserWarning, match=r"lost: this run destroys content .*epoch 1: slices correlate"):
        choice = run(tmp_path / "lost", **settings)
    assert choice.epoch is None and set(choice.rejected) == {1}
    assert not (tmp_path / "lost" / "forward").exists()


def test_wrong_input(tmp_path):
    with pytest.raises(InputError, match="a: expected stacks of domain A"):
        train_style(StyleConfig(out=str(tmp_path / "none")))
    with pytest.raises(InputError, match="b: expected more stacks than the 4 for validation, got 3"):
        train_style(StyleConfig(out=str(tmp_path / "few"), **SETTINGS), stacks(0, 0), stacks(1, 0)[:3])
