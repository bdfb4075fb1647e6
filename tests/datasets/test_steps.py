import json

import pytest
import torch

from torch_afm.config import Scan
from torch_afm.data import AFMData, from_smiles
from torch_afm.datasets import AFMDataset, step_loader
from torch_afm.datasets.steps import distinct
from torch_afm.ppm import ProbeParticleModel
from torch_afm.transforms import (
    Augment,
    NormalizeSlices,
    RandomCropSlices,
    RandomCropWindow,
    RandomCutout,
    RandomNoise,
    RandomPlane,
    RandomSliceShift,
    RandomTip,
    RandomTurn,
    change_graphs,
)
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt

SCAN = Scan(pixels=(18, 18), n_slices=5, n_oscillation=4)
FRAME = (RandomTurn(), RandomCropSlices(4, 2), RandomCropWindow((16, 15)))
ALL = Augment(FRAME, (RandomPlane(), RandomNoise(), RandomSliceShift(), RandomCutout()))


@pytest.fixture(scope="module")
def molecules():
    return [from_smiles(s) for s in ("Oc1ccccc1Cl", "CC(=O)OC", "C1CCCCC1N")]


def _dataset(molecules, **kwargs):
    settings = {"rotations": 2, "candidates": 50, "seed": 1, "augment": ALL, "mutants": 3}
    return AFMDataset(molecules, SCAN, **(settings | kwargs))


def _assert_same(a, b):
    assert sorted(a.keys()) == sorted(b.keys())
    for key in a.keys():  # noqa: SIM118
        same = torch.equal(a[key], b[key]) if torch.is_tensor(a[key]) else a[key] == b[key]
        assert same, key


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_batches_and_order_do_not_matter_and_json_replays_it_all(molecules, workers):
    dataset = _dataset(molecules)
    keys = [(2, i) for i in (3, 17, 4, 5, 0, 1, 12)]
    samples = [s for b in step_loader(dataset, 5, workers, sampler=keys) for s in b.to_data_list()]
    assert len(samples) == 7 == len({s.drawn for s in samples})
    # By another data set than made them, which would draw otherwise.
    replayed = _dataset(molecules, augment=False, mutants=1).replay([s.drawn for s in samples[::-1]])
    for sample, key, again in zip(samples, keys, replayed[::-1], strict=True):
        _assert_same(sample, dataset[key])
        _assert_same(sample, again)
    _assert_same(samples[1], dataset.replay([json.loads(samples[1].drawn)])[0])


def test_mutants_share_the_reference_and_nothing_else(molecules):
    dataset = _dataset(molecules)
    assert len(dataset) == 3 * 2 * 3
    samples = dataset.__getitems__([(1, i) for i in range(18)])
    for group in range(6):
        three = samples[3 * group : 3 * group + 3]
        assert all(torch.equal(s.reference, three[0].reference) for s in three)
        assert len({s.simulated.numpy().tobytes() for s in three}) == 3
        # Together with the missing atoms all are the same molecule in the same frame.
        atoms = [sorted(torch.cat([s.pos, s.missing_pos]).tolist()) for s in three]
        assert atoms[0] == atoms[1] == atoms[2]
    assert len({s.reference.numpy().tobytes() for s in samples}) == 6
    _assert_same(dataset[(1, 10)], samples[10])
    assert not torch.equal(dataset[(2, 10)].reference, samples[10].reference)


def test_shared_references_are_rendered_once(molecules):
    dataset = _dataset(molecules)
    keys = [(0, i) for i in (0, 1, 2, 9, 10, 3)]
    groups = dataset._molecules([i // 3 for _, i in keys])
    records = dataset.draw(keys, groups)
    assert distinct(records) == ([0, 3, 5], [0, 0, 0, 1, 1, 2])
    samples = dataset.mutate(groups, records)
    stacks = dataset.render(groups, samples, records)
    assert stacks.shape == (3 + 6, 1, 5, 18, 18)
    # References that are already there are taken as they are.
    given = torch.rand(3, 1, 5, 18, 18)
    again = dataset.render(groups, samples, records, reference=given)
    assert torch.equal(again[:3], given) and torch.allclose(again[3:], stacks[3:], atol=1e-5)


def test_graph_and_stacks_move_together(molecules):
    dataset = _dataset(molecules, augment=Augment(FRAME, ()))
    dataset.random_tip = RandomTip(radius=0.0, distance=0.0)
    render = ProbeParticleModel(dataset.final_scan, dtype=torch.float64, backend="torch")
    for sample in dataset.__getitems__(range(0, 18, 2)):
        record = json.loads(sample.drawn)
        known = dict(record["frame"])["CropSlices"]["count"]
        whole = dataset.oriented(record["group"])
        change_graphs([whole], SCAN, [record["frame"]])
        mutant = AFMData(z=dataset.classes.representative(dataset.classes.of(sample.z)), pos=sample.pos)
        for stack, graph in ((sample.reference, whole), (sample.simulated, mutant)):
            assert stack.shape == (1, 1, 4, 15, 16) and not stack[:, :, : 4 - known].any()
            expected = NormalizeSlices()(render(graph, z_top=sample.z_top).double())
            assert torch.allclose(stack[:, :, -known:].double(), expected[:, :, -known:], atol=5e-3)


def test_bad_records(molecules):
    dataset = _dataset(molecules)
    for drawn in ("no json", "{}", '{"group": 6}', "[]"):
        with pytest.raises(InputError, match="drawn: expected what a sample of AFMDataset"):
            dataset.replay([drawn])
    with pytest.raises(InputError, match="mutants"):
        _dataset(molecules, mutants=0)
    with pytest.raises(InputError, match="n_slices: expected 1 to 5"):
        _dataset(molecules, augment=Augment((RandomCropSlices(6),)))
