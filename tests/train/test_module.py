import itertools
import math

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import generator_config
from torch_afm.data import from_smiles
from torch_afm.datasets import AFMDataset
from torch_afm.models import SequentialGenerator
from torch_afm.train import GeneratorModule, TrainConfig

pytestmark = pytest.mark.learnt


def test_overfits_one_batch():
    torch.manual_seed(0)
    config = generator_config("small")
    dataset = AFMDataset([from_smiles("Oc1ccccc1Cl")], config.scan, rotations=4, augment=False)
    batch = Batch.from_data_list([dataset[i] for i in range(4)])
    module = GeneratorModule(SequentialGenerator(config), TrainConfig())
    optimizer = module.configure_optimizers()
    terms = []
    for _ in range(30):
        loss = module.loss(module.model(batch), batch).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        terms.append(loss.item())
    assert terms[-1] < 0.4 * terms[0]  # 0.16 was seen


def test_cosine_schedule():
    config = TrainConfig(schedule="cosine", epochs=10, epoch_samples=100, batch_size=10, lr=0.5)
    module = GeneratorModule(SequentialGenerator(generator_config("small")), config)
    scheduler = module.configure_optimizers()["lr_scheduler"]["scheduler"]
    factors = [scheduler.lr_lambdas[0](step) for step in range(101)]
    assert factors[0] == 0.5 and factors[1] == factors[2] == 1.0  # two steps of warm-up
    middle = 2 + 98 // 2
    assert factors[middle] == pytest.approx(0.01 + 0.99 * 0.5) and factors[-1] == pytest.approx(0.01)
    assert all(a >= b for a, b in itertools.pairwise(factors[2:]))
    assert math.isclose(scheduler.base_lrs[0], 0.5)
