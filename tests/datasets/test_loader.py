import copy
import pickle
import subprocess
import sys

import pytest
import torch
from torch.utils.data import RandomSampler, SubsetRandomSampler
from torch_geometric.loader import DataLoader

from torch_afm.config import Scan
from torch_afm.datasets import AFMDataset, EpochSampler, StepDraws, step_loader
from torch_afm.testing import benzene, water
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt

SCAN = Scan(pixels=(8, 8), n_slices=2, n_oscillation=3)


def make(**more):
    return AFMDataset([water(), benzene()], SCAN, StepDraws(), rotations=3, candidates=10, **more)


def drawn(loader):
    return [text for batch in loader for text in batch.drawn]


def of_epoch(dataset, epoch, indices=range(6)):
    return sorted(dataset[epoch, i].drawn for i in indices)


def test_batches_know_the_sample_of_each_missing_atom():
    dataset = make()
    batches = list(step_loader(dataset, 4))
    assert [b.num_graphs for b in batches] == [4, 2]
    singles = [dataset[i] for i in range(4)]
    assert batches[0].missing_graph.bincount(minlength=4).tolist() == [s.num_missing for s in singles]
    assert batches[0].drawn == [s.drawn for s in singles]


@pytest.mark.parametrize("deferred", [False, True])
def test_any_loader_draws_afresh_in_every_pass(deferred):
    dataset, samples = make(), make(defer=deferred)
    first, other = (DataLoader(samples, n, shuffle=True) for n in (4, 1))
    assert [sorted(drawn(loader)) for loader in (first, other, first)] == [
        of_epoch(dataset, e) for e in range(3)
    ]
    # Looking at samples, and naming their epochs, does not count.
    assert samples[4].drawn == dataset[0, 4].drawn and len(list(samples)) == 6
    assert sorted(drawn(DataLoader(samples, 3, sampler=[(1, i) for i in range(6)]))) == of_epoch(dataset, 1)
    assert sorted(drawn(first)) == of_epoch(dataset, 3)
    # Samplers of a part, and with replacement.
    assert sorted(drawn(DataLoader(samples, 2, sampler=SubsetRandomSampler([1, 4])))) == of_epoch(
        dataset, 4, [1, 4]
    )
    samples.set_epoch(7)
    many = drawn(DataLoader(samples, 5, sampler=RandomSampler(samples, replacement=True, num_samples=40)))
    assert len(set(many)) == 40
    assert samples[2].drawn == dataset[7, 2].drawn
    samples.set_epoch(0)
    assert sorted(drawn(other)) == of_epoch(dataset, 0)


def test_copies_count_for_themselves_and_subsets_with_the_whole():
    dataset = make()
    drawn(DataLoader(dataset, 6))
    copied, pickled = copy.deepcopy(dataset), pickle.loads(pickle.dumps(dataset))
    assert sorted(drawn(DataLoader(dataset[:3], 2))) == of_epoch(dataset, 1, range(3))
    assert sorted(drawn(DataLoader(dataset, 2))) == sorted(
        of_epoch(dataset, 2, range(3)) + of_epoch(dataset, 1, range(3, 6))
    )
    for one in (copied, pickled):
        assert sorted(drawn(DataLoader(one, 2))) == of_epoch(dataset, 1)


def test_workers_share_the_count():
    dataset = make()
    workers = {"num_workers": 2, "persistent_workers": True, "multiprocessing_context": "forkserver"}
    loader = DataLoader(dataset, 2, shuffle=True, **workers)
    passes = [sorted(drawn(loader)) for _ in range(2)]
    passes.append(sorted(drawn(DataLoader(dataset, 3))))
    dataset.set_epoch(9)
    torch.manual_seed(0)
    passes.append(sorted(drawn(loader)))
    assert passes == [of_epoch(dataset, e) for e in (0, 1, 2, 9)]


_FORKED = """
import runpy
from torch_geometric.loader import DataLoader
names = runpy.run_path({file!r})
dataset = names["make"]()
loader = DataLoader(dataset, 2, num_workers=1, multiprocessing_context="fork")
passes = [sorted(names["drawn"](loader)) for _ in range(2)]
assert passes == [names["of_epoch"](dataset, e) for e in range(2)]
"""


def test_forked_workers_render_where_nothing_was_rendered_before():
    # In a process of its own: this one has rendered.
    subprocess.run([sys.executable, "-c", _FORKED.format(file=__file__)], check=True, timeout=300)


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


def test_copies_are_spread_over_their_block():
    settings = {"size": 10 * 2 * 4, "num_samples": 5 * 2 * 4, "seed": 3, "mutants": 2, "copies": 4}
    epochs = _epochs(4, block=3, **settings)
    plain = _epochs(4, size=10, num_samples=5, seed=3)
    for epoch, keys in enumerate(epochs):
        groups = [[group for _, group in plain[epoch][i : i + 3]] for i in (0, 3)]
        order = [(g, m, c) for block in groups for c in range(4) for g in block for m in range(2)]
        assert keys == [(epoch // 2, (g * 2 + m) * 4 + c) for g, m, c in order]
    # Two epochs are a pass, in which every sample is seen once.
    assert sorted(epochs[2] + epochs[3]) == [(1, i) for i in range(80)]
    halves = [_epochs(2, rank=r, world_size=2, block=3, **settings | {"num_samples": 80}) for r in range(2)]
    assert sorted(halves[0][1] + halves[1][1]) == [(1, i) for i in range(80)]
    groups = [{index // 8 for _, index in half[0]} for half in halves]
    assert len(groups[0]) == len(groups[1]) == 5 and not groups[0] & groups[1]


def test_mutants_and_copies_must_divide():
    with pytest.raises(InputError, match="size: expected a multiple of 4"):
        EpochSampler(10, 8, mutants=4)
    with pytest.raises(InputError, match="2 processes x 4 mutants x 1 copies, got 12"):
        EpochSampler(16, 12, world_size=2, mutants=4)
    with pytest.raises(InputError, match="size: expected a multiple of 4 mutants x 8 copies, got 48"):
        EpochSampler(48, 32, mutants=4, copies=8)
    with pytest.raises(InputError, match="1 processes x 4 mutants x 8 copies, got 48"):
        EpochSampler(64, 48, mutants=4, copies=8)
    with pytest.raises(InputError, match="block: expected at least 1, got 0"):
        EpochSampler(64, 64, block=0)
