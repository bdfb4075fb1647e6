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


def test_mutants_follow_each_other():
    keys = [key for epoch in _epochs(3, size=24, num_samples=8, seed=3, mutants=4) for key in epoch]
    groups = [index // 4 for _, index in keys[::4]]
    assert keys == [(0, group * 4 + m) for group in groups for m in range(4)]
    assert sorted(groups) == list(range(6)) != groups
    halves = [list(EpochSampler(24, 16, seed=3, rank=r, world_size=2, mutants=4)) for r in range(2)]
    assert halves[0] == keys[0:4] + keys[8:12] and halves[1] == keys[4:8] + keys[12:16]


def test_mutants_must_divide():
    with pytest.raises(InputError, match="size: expected a multiple of 4"):
        EpochSampler(10, 8, mutants=4)
    with pytest.raises(InputError, match="2 processes x 4 mutants, got 12"):
        EpochSampler(16, 12, world_size=2, mutants=4)
