import pytest

from torch_afm.datasets import EpochSampler
from torch_afm.utils import InputError


def _epochs(n, **kwargs):
    sampler = EpochSampler(**kwargs)
    keys = []
    for epoch in range(n):
        sampler.set_epoch(epoch)
        keys.append(list(sampler))
    return keys


def test_each_pass_sees_every_sample_once():
    keys = [key for epoch in _epochs(5, size=12, num_samples=7, seed=3) for key in epoch]
    first = [index for done, index in keys if done == 0]
    second = [index for done, index in keys if done == 1]
    assert sorted(first) == list(range(12)) == sorted(second) and first != second
    assert len(set(keys)) == 35


def test_processes_share_an_epoch():
    whole = _epochs(3, size=10, num_samples=6, seed=1)
    parts = [_epochs(3, size=10, num_samples=6, seed=1, rank=r, world_size=2) for r in range(2)]
    for epoch in range(3):
        assert sorted(parts[0][epoch] + parts[1][epoch]) == sorted(whole[epoch])
    assert len(EpochSampler(10, 6, world_size=2)) == 3 == len(parts[0][0])


def test_an_epoch_does_not_depend_on_those_before():
    sampler = EpochSampler(20, 8, seed=4)
    sampler.set_epoch(2)
    assert list(sampler) == _epochs(3, size=20, num_samples=8, seed=4)[2]


def test_not_divisible():
    with pytest.raises(InputError, match="multiple of 2"):
        EpochSampler(10, 5, world_size=2)
