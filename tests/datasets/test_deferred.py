import pytest
import torch

from torch_afm.config import Scan
from torch_afm.data import from_smiles
from torch_afm.datasets import AFMDataset, DeferredSteps, step_loader

pytestmark = pytest.mark.learnt

SMILES = ["Oc1ccccc1", "CC(=O)OC", "c1ccsc1"]


def make(mutants: int, augment: bool = True) -> AFMDataset:
    molecules, scan = [from_smiles(s) for s in SMILES], Scan(pixels=(24, 20), n_slices=3)
    return AFMDataset(molecules, scan, rotations=2, candidates=20, mutants=mutants, augment=augment)


@pytest.mark.parametrize(("mutants", "workers"), [(1, 0), (3, 1)])
def test_completed_batches_are_those_of_the_data_set(mutants, workers):
    steps = make(mutants)
    keys = [(1, i) for i in range(len(steps))]
    deferred = DeferredSteps(steps)
    usual = step_loader(steps, 6, sampler=keys)
    for late, batch in zip(step_loader(deferred, 6, workers, sampler=keys), usual, strict=True):
        assert "reference" not in late and "simulated" not in late
        late = deferred.complete(late)
        assert set(late.keys()) == set(batch.keys())
        for key, value in batch.items():
            same = torch.equal(late[key], value) if isinstance(value, torch.Tensor) else late[key] == value
            assert same, key


@pytest.mark.gpu
def test_on_the_device():
    steps = make(2, augment=False)
    keys = [(0, i) for i in range(6)]
    deferred = DeferredSteps(steps)
    (late,) = step_loader(deferred, 6, sampler=keys)
    (batch,) = step_loader(steps, 6, sampler=keys)
    late = deferred.complete(late.to("cuda"))
    assert late.reference.is_cuda
    for key in ("missing_pos", "reference", "simulated"):
        torch.testing.assert_close(late[key].cpu(), batch[key], rtol=0, atol=1e-3)
