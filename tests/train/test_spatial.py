import csv
import dataclasses

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import SpatialGeneratorConfig
from torch_afm.data import from_smiles
from torch_afm.models import SpatialGenerator
from torch_afm.train import AFMDataModule, GeneratorModule, TrainConfig, train
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt

SMILES = ["Oc1ccccc1", "CC(=O)OC", "C1CCCCC1N", "c1ccsc1", "CCBr", "N#Cc1ccccc1", "OCC(F)F", "CC(C)=O", "CCO"]
SETTINGS = {
    "epochs": 2,
    "epoch_samples": 4,
    "val_samples": 2,
    "batch_size": 2,
    "rotations": 2,
    "workers": 0,
    "threads": 1,
    "empty": 0.5,
    "ema": 0.5,
    "misplaced": 0.2,
    "extra": 2,
    "augmented": 0.5,
    "progress": False,
    "accelerator": "cpu",
}


@pytest.fixture(scope="module")
def molecules():
    return [from_smiles(s) for s in SMILES]


def test_trained_saved_and_continued(tmp_path, molecules):
    whole = train(TrainConfig(**SETTINGS, out=str(tmp_path / "whole")), molecules)
    for epochs in (1, 2):
        train(TrainConfig(**(SETTINGS | {"epochs": epochs}), out=str(tmp_path / "parts")), molecules)
    parts = SpatialGenerator.from_pretrained(tmp_path / "parts" / "model")
    assert all(torch.equal(parts.state_dict()[k], v) for k, v in whole.state_dict().items())
    with open(tmp_path / "whole" / "curves" / "version_0" / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    for name in ("total", "heatmap", "label", "position", "stop", "bond", "move", "real"):
        assert len([r for r in rows if r[f"val/{name}"]]) == len([r for r in rows if r[f"train/{name}"]]) == 2
    with pytest.raises(InputError, match="weights: expected a saved SpatialGenerator"):
        train(TrainConfig(**SETTINGS, init="small", out=str(tmp_path / "other")), molecules)


def test_targets_and_stacks_go_down_to_the_context(molecules):
    data = AFMDataModule(TrainConfig(**SETTINGS), molecules)
    data.setup()
    part = data.parts[0]
    samples = [part[i] for i in range(len(part))]
    deepest = min(float(torch.cat([s.pos, s.missing_pos])[:, 2].min()) for s in samples)
    assert -3 <= deepest < -1
    assert any(s.z.numel() == 0 for s in samples)
    # The mutant's stack shows all of its atoms, as the loop will image them, and no others.
    i = next(i for i, s in enumerate(samples) if s.z.numel() and float(s.pos[:, 2].min()) < -1)
    (molecule,) = part.oriented([i])
    shown = part.draws.imaged(samples[i], molecule)
    assert torch.equal(shown.pos, samples[i].pos) and shown.charge.abs().sum() == 0
    assert torch.equal(shown.z, samples[i].z)


def test_overfits_one_batch(molecules):
    torch.manual_seed(0)
    settings = SpatialGeneratorConfig(channels=(16, 24))
    config = TrainConfig(**SETTINGS, model=settings, lr=0.003)
    data = AFMDataModule(config, molecules[:6])
    data.setup()
    batch = Batch.from_data_list([data.parts[0][i] for i in range(4)])
    module = GeneratorModule(SpatialGenerator(settings), config)
    optimizer = module.configure_optimizers()
    terms = []
    for _ in range(30):  # while runs on other processors still agree to a percent
        loss = module.loss(module.model(batch), batch)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        terms.append([t.item() for t in loss])
    # heatmap, label, position, stop, bond, real fell to 0.19, 0.16, -0.01, 0.10, 0.48 and 0.17 of the first.
    falls = [sum(step[k] for step in terms[-3:]) / 3 / terms[0][k] for k in (1, 2, 3, 4, 5, 7)]
    assert max(falls) < 0.8 and sorted(falls)[-2] < 0.4, falls


def test_begins_from_weights_whose_answers_are_cut_elsewhere(tmp_path, molecules):
    given = SpatialGenerator.from_pretrained("spatial")
    cut = dataclasses.replace(given.config, z_min=-1.5)
    settings = SETTINGS | {"epochs": 1, "lr": 1e-12, "ema": 0.0, "init": "spatial", "model": cut}
    train(TrainConfig(**settings, out=str(tmp_path / "run")), molecules)
    model = SpatialGenerator.from_pretrained(tmp_path / "run" / "model")
    assert model.config == cut != given.config
    # But for the statistics of its norms, which any step changes.
    torch.testing.assert_close(
        dict(model.named_parameters()), dict(given.named_parameters()), rtol=0, atol=1e-9
    )
