import itertools
import math

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import ScanLossConfig, SequentialLossConfig, SpatialLossConfig, generator_config
from torch_afm.data import from_smiles
from torch_afm.datasets import AFMDataset, StepDraws
from torch_afm.models import SequentialGenerator, make_generator
from torch_afm.train import GeneratorModule, TrainConfig
from torch_afm.transforms import Augment

pytestmark = pytest.mark.learnt


def test_overfits_one_batch():
    torch.manual_seed(0)
    config = generator_config("small")
    dataset = AFMDataset(
        [from_smiles("Oc1ccccc1Cl")], config.scan, StepDraws(augment=Augment(stack=())), rotations=4
    )
    batch = Batch.from_data_list([dataset[i] for i in range(4)])
    module = GeneratorModule(SequentialGenerator(config), TrainConfig(model=config))
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
    small = generator_config("small")
    config = TrainConfig(model=small, schedule="cosine", epochs=10, epoch_samples=100, batch_size=10, lr=0.5)
    module = GeneratorModule(SequentialGenerator(small), config)
    scheduler = module.configure_optimizers()["lr_scheduler"]["scheduler"]
    factors = [scheduler.lr_lambdas[0](step) for step in range(101)]
    assert factors[0] == 0.5 and factors[1] == factors[2] == 1.0  # two steps of warm-up
    middle = 2 + 98 // 2
    assert factors[middle] == pytest.approx(0.01 + 0.99 * 0.5) and factors[-1] == pytest.approx(0.01)
    assert all(a >= b for a, b in itertools.pairwise(factors[2:]))
    assert math.isclose(scheduler.base_lrs[0], 0.5)


def test_the_loss_has_the_weights_of_the_settings():
    for preset, weights in (
        ("small", SequentialLossConfig(node_weight=0.5)),
        ("spatial", SpatialLossConfig(stop_weight=0.0, real_weight=2.0)),
        ("scan", ScanLossConfig(depth=2.0)),
    ):
        config = TrainConfig(model=generator_config(preset), loss=weights)
        module = GeneratorModule(make_generator(config.model), config)
        assert module.loss.config == weights
        assert (module.metrics is not None) == module.model.sequential == (preset == "small")
