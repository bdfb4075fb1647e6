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


@pytest.mark.parametrize(
    "settings", [{}, {"method": "fastcut", "lambda_spectral": 1.0}], ids=["cyclegan", "fastcut"]
)
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, monkeypatch, settings):
    two_ways = not settings
    choice = run(tmp_path / "whole", **settings)
    with monkeypatch.context() as patch:

        def stop(self):
            if self.current_epoch == 1:
                raise RuntimeError("killed")

        patch.setattr(StyleModule, "on_train_epoch_start", stop)
        with pytest.raises(RuntimeError, match="killed"):
            run(tmp_path / "killed", **settings)
    assert not (tmp_path / "killed" / "epochs" / "0002").exists()
    assert run(tmp_path / "killed", **settings) == choice
    names = ["forward", "backward"] if two_ways else ["forward"]
    assert (tmp_path / "whole" / "backward").exists() == two_ways
    for name in [*names, *(f"epochs/0002/{one}" for one in names)]:
        whole, resumed = (weights(tmp_path / run / name) for run in ("whole", "killed"))
        assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    first, second = (weights(tmp_path / "whole" / "epochs" / e / "forward") for e in ("0001", "0002"))
    assert any(not torch.equal(first[key], second[key]) for key in first)

    out = tmp_path / "whole"
    rows = json.loads((out / "evaluation.json").read_text())
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    # Epoch 0 is the source itself.
    for way in ("content", "backward") if two_ways else ("content",):
        assert rows[0][way]["correlation"] == pytest.approx(1) == rows[0][way]["ssim"]
        assert rows[2][way]["correlation"] < 0.999
    assert all(bool(row["backward"]) == two_ways for row in rows)
    assert rows == json.loads((tmp_path / "killed" / "evaluation.json").read_text())
    chosen = weights(out / "epochs" / f"{choice.epoch:04d}" / "forward")
    assert all(torch.equal(chosen[key], value) for key, value in weights(out / "forward").items())
    for picture in ("evaluation.png", "epochs/0001/samples.png", "epochs/0002/samples.png"):
        assert (out / picture).stat().st_size > 1000
    with open(out / "curves" / "version_0" / "metrics.csv") as file:
        assert len([row for row in csv.DictReader(file) if row["train/adversarial"]]) == 2
    with pytest.raises(InputError, match=r"whole: holds a run with other settings \(lr\)"):
        run(out, lr=0.1, **settings)
    with pytest.raises(InputError, match=r"whole: holds a run with other settings \(b_sha256\)"):
        train_style(StyleConfig(out=str(out), **SETTINGS | settings), stacks(0, 0.0), stacks(2, 0.1))


@pytest.mark.parametrize("method", ["cyclegan", "fastcut"])
def test_a_short_training_comes_nearer_to_the_other_domain(tmp_path, method):
    """Noise, which is all that B has besides, is learned from pairs of no relation."""
    settings = SETTINGS | {"method": method, "width": 4, "critic_width": 8, "crop": 32, "lr": 2e-3}
    settings |= {"epochs": 3, "epoch_pairs": 40, "residual": True, "detail": True, "lambda_spectral": 1.0}
    settings |= {"lambda_cycle": 3.0, "lambda_identity": 0.0, "lambda_nce": 1.0, "every": 4}
    train_style(StyleConfig(out=str(tmp_path), **settings), stacks(0, 0.0), stacks(1, 0.1))
    before, after = json.loads((tmp_path / "evaluation.json").read_text())
    for features in ("physical", "random"):
        name = f"{features} frechet"
        gap = [row["distances"][name] - row["floors"][name] for row in (before, after)]
        assert gap[1] < 0.6 * gap[0]
    assert after["content"]["correlation"] > 0.8


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
