import csv

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, ScanGeneratorConfig
from torch_afm.data import from_smiles
from torch_afm.models import ScanGenerator
from torch_afm.train import AFMDataModule, GeneratorModule, TrainConfig, train

pytestmark = pytest.mark.learnt

SMILES = ["Oc1ccccc1", "CC(=O)OC", "c1ccsc1", "CCI", "N#Cc1ccccc1", "CC(C)=O"]
SCAN = Scan(window=((-5.875, 5.875), (-5.875, 5.875)), pixels=(48, 48), n_slices=4)
SETTINGS = {
    "model": ScanGeneratorConfig(scan=SCAN, channels=(16, 24)),
    "epochs": 1,
    "epoch_samples": 4,
    "val_samples": 2,
    "batch_size": 2,
    "rotations": 2,
    "workers": 0,
    "threads": 1,
    "empty": 0.5,
    "misplaced": 0.2,
    "extra": 2,
    "augmented": 0.5,
    "progress": False,
    "accelerator": "cpu",
}


@pytest.fixture(scope="module")
def molecules():
    return [from_smiles(s) for s in SMILES]


def test_trained_in_bfloat16_and_saved(tmp_path, molecules):
    config = TrainConfig(**SETTINGS, precision="bf16-mixed", out=str(tmp_path / "run"))
    model = train(config, molecules)
    saved = ScanGenerator.from_pretrained(tmp_path / "run" / "model")
    assert all(torch.equal(saved.state_dict()[k], v) for k, v in model.state_dict().items())
    assert all(v.dtype == torch.float32 for v in saved.state_dict().values())
    with open(tmp_path / "run" / "curves" / "version_0" / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    for name in ("total", "heatmap", "label", "position", "parent", "bond", "move", "real"):
        assert len([r for r in rows if r[f"val/{name}"]]) == len([r for r in rows if r[f"train/{name}"]]) == 1


def test_overfits_one_batch(molecules):
    torch.manual_seed(0)
    config = TrainConfig(**SETTINGS, lr=0.003)
    data = AFMDataModule(config, molecules)
    data.setup()
    batch = Batch.from_data_list([data.parts[0][i] for i in range(4)])
    module = GeneratorModule(ScanGenerator(config.model), config)
    optimizer = module.configure_optimizers()
    terms = []
    for _ in range(40):
        loss = module.loss(module.model(batch), batch)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        terms.append([t.item() for t in loss])
    # heatmap, label, position, parent, bond, real fell to 0.12, 0.38, -1.68, 0.12, 0.28, 0.00 of the first.
    falls = [sum(step[k] for step in terms[-3:]) / 3 / terms[0][k] for k in (1, 2, 3, 4, 5, 7)]
    assert max(falls) < 0.8 and sorted(falls)[-2] < 0.5, falls
