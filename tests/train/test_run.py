"""Whole runs through the command line: killed and resumed, and on two processes."""

import csv
import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import SequentialLossConfig, generator_config
from torch_afm.config.scenes import SceneConfig
from torch_afm.data import from_smiles
from torch_afm.datasets import embedded_smiles
from torch_afm.metrics import StepMetrics
from torch_afm.metrics.steps import headline
from torch_afm.models import SequentialGenerator
from torch_afm.nn import SequentialLoss
from torch_afm.train import AFMDataModule, GeneratorModule, TrainConfig, train
from torch_afm.train.run import last_checkpoint
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt

SMILES = ["Oc1ccccc1", "CC(=O)OC", "C1CCCCC1N", "c1ccsc1", "CCBr", "N#Cc1ccccc1", "OCC(F)F", "CC(C)=O", "CCO"]
SMALL = {"model": generator_config("small")}
SETTINGS = {
    "epochs": 3,
    "epoch_samples": 4,
    "val_samples": 2,
    "batch_size": 2,
    "rotations": 2,
    "workers": 0,
    "threads": 1,
    "progress": False,
    "accelerator": "cpu",
}


@pytest.fixture
def molecules(tmp_path):
    path = tmp_path / "molecules.smi"
    path.write_text("\n".join(SMILES) + "\n")
    return path


def _command(out: Path, molecules: Path, **changes):
    options = SETTINGS | {"preset": "small", "out": out, "molecules": molecules} | changes
    flags = [
        f"--{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in options.items()
    ]
    return [str(Path(sys.executable).with_name("torch-afm")), "train", *flags]


#: Runs a command, and kills itself as soon as a checkpoint is written.
KILLED = """
import os, signal, sys
from lightning.pytorch import Trainer
from torch_afm.cli.main import main
save = Trainer.save_checkpoint
def save_and_end(*args, **kwargs):
    save(*args, **kwargs)
    if os.path.exists(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
Trainer.save_checkpoint = save_and_end
main(sys.argv[2:])
"""


def _weights(folder: Path):
    return SequentialGenerator.from_pretrained(folder / "model").state_dict()


def test_killed_and_resumed_equals_uninterrupted(tmp_path, molecules):
    options = SMALL | SETTINGS | {"molecules": str(molecules)}
    train(TrainConfig(**options, out=str(tmp_path / "whole")))
    # Killed without warning once the checkpoint of the first epoch is there; then the same command again.
    out = tmp_path / "killed"
    command = _command(out, molecules, epochs=3, epoch_samples=4)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, out / "last.ckpt", *command[1:]], capture_output=True
    )
    assert killed.returncode == -signal.SIGKILL
    assert not (out / "model").exists()
    train(TrainConfig(**options, out=str(out)))
    expected, resumed = _weights(tmp_path / "whole"), _weights(out)
    assert all(torch.equal(resumed[k], v) for k, v in expected.items())


def test_scenes_resumed_equal_uninterrupted(tmp_path):
    smiles = embedded_smiles("planar")[:12]
    (tmp_path / "planar.smi").write_text("\n".join(smiles))
    options = SMALL | SETTINGS | {"molecules": str(tmp_path / "planar.smi"), "geometry": "xtb"}
    options |= {"scenes": 6, "scene": SceneConfig(species=1), "epochs": 2}
    train(TrainConfig(**options, out=str(tmp_path / "whole")))
    train(TrainConfig(**options | {"epochs": 1}, out=str(tmp_path / "resumed")))
    with pytest.raises(InputError, match=r"other settings \(scene\)"):
        train(TrainConfig(**options | {"scene": SceneConfig()}, out=str(tmp_path / "resumed")))
    train(TrainConfig(**options, out=str(tmp_path / "resumed")))
    expected, resumed = _weights(tmp_path / "whole"), _weights(tmp_path / "resumed")
    assert all(torch.equal(resumed[k], v) for k, v in expected.items())


def test_two_processes_average_their_gradients(tmp_path, molecules):
    out = tmp_path / "ddp"
    subprocess.run(
        _command(out, molecules, devices=2, epochs=1), check=True, capture_output=True, timeout=300
    )

    config = TrainConfig(
        **(SMALL | SETTINGS | {"out": str(out), "molecules": str(molecules), "devices": 2, "epochs": 1})
    )
    settings = config.model
    torch.manual_seed(config.seed)
    model = SequentialGenerator(settings)
    loss = SequentialLoss(model.classes, settings.z_min)
    data = AFMDataModule(config)
    data.setup()
    keys = list(data.train_dataloader().sampler)
    gradients = []
    for rank in range(2):
        batch = Batch.from_data_list([data.parts[0][k] for k in keys[rank::2]])
        model.zero_grad()
        loss(model(batch), batch).total.backward()
        gradients.append([p.grad for p in model.parameters() if p.requires_grad])
    trained = [p for p in model.parameters() if p.requires_grad]
    for p, *parts in zip(trained, *gradients, strict=True):
        p.grad = sum(parts) / 2
    torch.nn.utils.clip_grad_norm_(trained, config.clip)
    torch.optim.Adam(trained, lr=config.lr).step()
    for name, value in _weights(out).items():
        # Adam's first step is the learning rate times the sign of the gradient: equal up to gradients near 0.
        close = torch.isclose(model.state_dict()[name], value, atol=2e-5)
        assert close.float().mean() > 0.99, name

    # The scores are of the validation samples of both.
    trained = SequentialGenerator.from_pretrained(out / "model")
    metrics = StepMetrics(trained.classes, settings.z_min)
    for batch in data.val_dataloader():
        metrics.update(trained(batch), batch)
    with open(out / "curves" / "version_0" / "metrics.csv") as file:
        found = [float(row["val/r_mean"]) for row in csv.DictReader(file) if row.get("val/r_mean")]
    assert found == [pytest.approx(headline(metrics.compute())["r_mean"], rel=1e-4)]


def test_curves_and_model_are_written(tmp_path):
    molecules = [from_smiles(s) for s in SMILES]
    model = train(TrainConfig(**(SMALL | SETTINGS | {"out": str(tmp_path / "run"), "epochs": 2})), molecules)
    with open(tmp_path / "run" / "curves" / "version_0" / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    values = [float(row["train/total"]) for row in rows if row["train/total"]]
    assert len(values) == 2 and np.isfinite(values).all()
    saved = _weights(tmp_path / "run")
    assert all(torch.equal(saved[k], v) for k, v in model.state_dict().items())


def _fix_losses(monkeypatch, totals):
    """Let the validation loss of each epoch be given, whatever was learnt."""

    def validate(self, batch):
        total = torch.tensor(totals[self.current_epoch])
        self.log("val/total", total, on_epoch=True, batch_size=batch.num_graphs)
        return self.model(batch)

    monkeypatch.setattr(GeneratorModule, "validate", validate)


def test_every_epoch_is_saved_and_the_best_is_kept(tmp_path, monkeypatch):
    molecules = [from_smiles(s) for s in SMILES]
    _fix_losses(monkeypatch, [3.0, 1.0, 2.0])
    settings = SMALL | SETTINGS | {"out": str(tmp_path / "run"), "epochs": 3}
    train(TrainConfig(**settings), molecules)
    epochs = {
        name: torch.load(tmp_path / "run" / f"{name}.ckpt", weights_only=True)["epoch"]
        for name in ("last", "best")
    }
    assert epochs == {"last": 2, "best": 1}
    assert len(list((tmp_path / "run").glob("*.ckpt"))) == 2


def test_of_several_best_checkpoints_each_is_kept_and_training_ends_early(tmp_path, monkeypatch):
    molecules = [from_smiles(s) for s in SMILES]
    _fix_losses(monkeypatch, [3.0, 1.0, 4.0, 2.0, 0.0])
    settings = {"out": str(tmp_path / "run"), "epochs": 9, "keep": 2, "patience": 2}
    train(TrainConfig(**(SMALL | SETTINGS | settings)), molecules)
    with open(tmp_path / "run" / "curves" / "version_0" / "metrics.csv") as file:
        totals = [float(row["val/total"]) for row in csv.DictReader(file) if row["val/total"]]
    assert totals == [3.0, 1.0, 4.0, 2.0]
    names = {"best-epoch=1.ckpt", "best-epoch=3.ckpt", "last.ckpt"}
    assert {p.name for p in (tmp_path / "run").glob("*.ckpt")} == names
    assert (tmp_path / "run" / "curves.png").stat().st_size > 1000


def test_averaged_weights_follow_the_recurrence(tmp_path):
    # One step an epoch: the checkpoints of a run without averaging hold the weights to average.
    molecules = [from_smiles(s) for s in SMILES]
    settings = SMALL | SETTINGS | {"epoch_samples": 2, "lr": 0.01}
    plain = tmp_path / "plain"
    train(TrainConfig(**settings, out=str(plain), keep=3), molecules)
    start = None
    for epoch in range(3):
        state = torch.load(plain / f"best-epoch={epoch}.ckpt", weights_only=True)["state_dict"]
        weights = state["model.node_encoder.weight"]
        # The average begins at the weights after the first step.
        start = weights if start is None else 0.5 * start + 0.5 * weights
    averaged = train(TrainConfig(**(settings | {"out": str(tmp_path / "ema"), "ema": 0.5})), molecules)
    torch.testing.assert_close(averaged.state_dict()["node_encoder.weight"], start)
    assert torch.equal(_weights(tmp_path / "ema")["node_encoder.weight"], averaged.node_encoder.weight)


def test_training_begins_from_given_weights(tmp_path):
    molecules = [from_smiles(s) for s in SMILES]
    settings = SMALL | SETTINGS | {"epochs": 1, "lr": 1e-12, "init": "small"}
    model = train(TrainConfig(**(settings | {"out": str(tmp_path / "run")})), molecules)
    given = SequentialGenerator.from_pretrained("small").state_dict()
    torch.testing.assert_close(dict(model.state_dict()), dict(given), rtol=0, atol=1e-9)
    with pytest.raises(InputError, match="init: expected weights of the network to train"):
        other = settings | {"out": str(tmp_path / "other"), "model": generator_config("thesis")}
        train(TrainConfig(**other), molecules)


def test_other_settings_do_not_continue_a_run(tmp_path):
    molecules = [from_smiles(s) for s in SMILES]
    settings = SMALL | SETTINGS | {"out": str(tmp_path / "run"), "epochs": 1}
    train(TrainConfig(**settings), molecules)
    others = [
        ("lr", {"lr": 0.1}, molecules),
        ("loss", {"loss": SequentialLossConfig(edge_weight=1.0)}, molecules),
        ("model", {"model": dataclasses.replace(settings["model"], node_channels=10)}, molecules),
        ("molecules_sha256", {}, [*molecules[1:], from_smiles("CCN")]),
    ]
    for name, other, changed in others:
        with pytest.raises(InputError, match=f"other settings \\({name}\\)"):
            train(TrainConfig(**(settings | other)), changed)
    # Of a run that an earlier version began, these settings are not known.
    path = tmp_path / "run" / "train.json"
    before = json.loads(path.read_text())
    del before["model"], before["loss"]
    path.write_text(json.dumps(before | {"preset": "small", "z_min": None}))
    train(TrainConfig(**settings), molecules)


def test_a_damaged_checkpoint_is_done_without(tmp_path):
    molecules = [from_smiles(s) for s in SMILES]
    out = tmp_path / "run"
    train(TrainConfig(**(SMALL | SETTINGS | {"out": str(out), "epochs": 1})), molecules)
    assert last_checkpoint(out) == str(out / "last.ckpt") and last_checkpoint(tmp_path) is None
    for cut in (1000, 0):
        (out / "last.ckpt").write_bytes((out / "best.ckpt").read_bytes()[:cut])
        with pytest.warns(UserWarning, match="last.ckpt: .* damaged; going on from best.ckpt, epoch 1"):
            assert last_checkpoint(out) == str(out / "best.ckpt")
    (out / "curves" / "version_0" / "metrics.csv").write_text("epoch,train/total\n0,1e")
    with (
        pytest.warns(UserWarning, match="going on from best.ckpt"),
        pytest.warns(UserWarning, match=r"curves\.png is not drawn"),
    ):
        train(TrainConfig(**(SMALL | SETTINGS | {"out": str(out), "epochs": 2})), molecules)
    assert torch.load(out / "last.ckpt", weights_only=True)["epoch"] == 1
    for name in ("last", "best"):
        (out / f"{name}.ckpt").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"last\.ckpt: the checkpoint is damaged; delete it"):
        last_checkpoint(out)
