"""Symmetric copies of the pairs of stacks of :class:`torch_afm.datasets.StepDataset`."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, from_smiles
from torch_afm.datasets import (
    AFMDataset,
    EpochSampler,
    StepDataset,
    StepDraws,
    StepRenderer,
    StoredReferences,
    step_loader,
)
from torch_afm.functional import normalize_slices
from torch_afm.ppm import ProbeParticleModel
from torch_afm.transforms import Augment, CropSlices, CropWindow, Cutout, Noise, Plane, SliceShift
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt

#: The center of the window is none of the molecules.
SCAN = Scan(window=((-7.0, 9.0), (-8.5, 7.5)), pixels=(18, 18), n_slices=5, n_oscillation=4)
WIDE = Scan(pixels=(18, 12), n_slices=5, n_oscillation=4)
TIP = Tip(tilt=(0.2, -0.1))
ALL = Augment((CropSlices(4, 2), CropWindow((16, 15))), (Plane(), Noise(), SliceShift(), Cutout()))
NONE = Augment(stack=())
STORED = Path(__file__).parent / "recorded" / "stored"


@pytest.fixture(scope="module")
def molecules():
    return [from_smiles(s) for s in ("Oc1ccccc1Cl", "CC(=O)OC", "C1CCCCC1N")]


def _dataset(molecules, scan=SCAN, defer=False, **draws):
    settings = {"seed": 1, "augment": ALL, "mutants": 2, "copies": 8} | draws
    return AFMDataset(
        molecules, scan, StepDraws(**settings), rotations=2, candidates=50, tip=TIP, defer=defer
    )


def _assert_same(a, b):
    assert sorted(a.keys()) == sorted(b.keys())
    for key in a.keys():  # noqa: SIM118
        same = torch.equal(a[key], b[key]) if torch.is_tensor(a[key]) else a[key] == b[key]
        assert same, key


def _turned(vectors, turns, mirror):
    """Rows (x, y, …), x mirrored or not, then turned by quarters from x towards y."""
    vectors = np.array(vectors, dtype=float)
    if mirror:
        vectors[:, 0] *= -1
    for _ in range(turns):
        vectors[:, :2] = np.stack([-vectors[:, 1], vectors[:, 0]], axis=1)
    return vectors


@pytest.mark.parametrize("scan", [SCAN, WIDE])
def test_copies_are_the_renders_of_turned_molecules_with_turned_tips(molecules, scan):
    n = 8 if scan is SCAN else 4
    dataset = _dataset(molecules, scan, augment=NONE, copies=n)
    render = ProbeParticleModel(scan, dtype=torch.float64, backend="torch")
    center = np.array([*scan.center, 0.0])
    for pair in (0, 5):
        samples = dataset.__getitems__([(1, pair * n + copy) for copy in range(n)])
        for sample in samples:
            record = json.loads(sample.drawn)
            turn = dict(record["frame"])["Turn"]
            assert n == 8 or turn["turns"] % 2 == 0
            whole = dataset.source.oriented(record["group"])
            pos = torch.from_numpy(_turned(whole.pos.double().numpy() - center, **turn) + center)
            # Graph and targets are the atoms of the turned molecule.
            visible = pos[whole.pos[:, 2] >= -0.7]
            ours = torch.cat([sample.pos, sample.missing_pos]).double()
            assert torch.cdist(ours, visible).min(0).values.max() < 1e-5 and len(ours) == len(visible)
            mutant = dataset.classes.representative(dataset.classes.index_of(sample.z))
            for name, z, positions, charge in (
                ("reference", whole.z, pos, whole.charge.double()),
                ("simulated", mutant, sample.pos.double(), torch.zeros(len(mutant)).double()),
            ):
                move = record[name]["tip"]
                tilt = _turned([np.add(TIP.tilt, move["tilt"])], **turn)[0]
                graph = AFMData(z=z, pos=positions, charge=charge)
                expected = render(graph, Tip(tilt=tuple(tilt)), z_top=sample.z_top + move["distance"])
                found = sample[name].double()
                torch.testing.assert_close(found, normalize_slices(expected), atol=2e-3, rtol=0)
        assert len({sample.reference.numpy().tobytes() for sample in samples}) == n
        assert len({sample.reference_id.item() for sample in samples}) == n
        assert len({sample.simulated.numpy().tobytes() for sample in samples}) == (n if len(mutant) else 1)


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_batches_and_order_do_not_matter_and_json_replays_it_all(molecules, workers):
    dataset = _dataset(molecules)
    assert len(dataset) == 3 * 2 * 2 * 8
    assert dataset.molecule_numbers([0, 31, 32, 95]).tolist() == [0, 0, 1, 2]
    keys = [(2, i) for i in (3, 17, 4, 19, 0, 1, 90, 11, 16)]
    samples = [s for b in step_loader(dataset, 5, workers, sampler=keys) for s in b.to_data_list()]
    assert len(samples) == 9 == len({s.drawn for s in samples})
    fresh = _dataset(molecules)
    replayed = _dataset(molecules, augment=NONE, copies=1).replay([s.drawn for s in samples[::-1]])
    for sample, key, again in zip(samples, keys, replayed[::-1], strict=True):
        _assert_same(sample, fresh[key])
        _assert_same(sample, dataset[key])
        _assert_same(sample, again)
    # The same copy of another partial graph shares the reference.
    assert samples[0].reference_id == samples[7].reference_id
    assert torch.equal(samples[0].reference, samples[7].reference)


class _Counted(StepRenderer):
    """Renders stacks that are zero but for one pixel, and counts them."""

    def __init__(self, scan):
        super().__init__(scan, TIP)
        self.rendered = []

    def render(self, graphs, moves, z_top):
        self.rendered.append(len(graphs))
        stacks = torch.zeros(len(graphs), 1, *self.scan.shape)
        stacks[..., 0, 0] = 1
        return stacks


def _counting(molecules, **draws):
    whole = _dataset(molecules, **draws)
    return StepDataset(whole.source, whole.draws, _Counted(SCAN))


def test_each_pair_is_rendered_once(molecules):
    dataset = _counting(molecules)
    sampler = EpochSampler(len(dataset), 96, mutants=2, copies=8, block=4)
    loader = step_loader(dataset, 4, sampler=sampler)
    stacks = torch.cat([batch.reference for batch in loader])
    # Four molecules: the first copies of two each in the first two batches, none afterwards; then two more.
    assert dataset.images.rendered == [2 + 4] * 3 and len(stacks) == 96
    # Another draw of the tip is another stack.
    dataset.__getitems__([(1, 0), (1, 1), (1, 8)])
    assert dataset.images.rendered[3:] == [1 + 2]
    # Another process, and a data set without copies, keep nothing.
    assert len(pickle.loads(pickle.dumps(dataset))._stacks.kept) == 0
    single = _counting(molecules, copies=1)
    single.__getitems__([(0, 0), (0, 1)])
    single.__getitems__([(0, 0)])
    assert single.images.rendered == [3, 2]


def test_molecules_are_made_once(molecules, monkeypatch):
    dataset, made = _counting(molecules), []
    oriented = dataset.source.oriented
    monkeypatch.setattr(dataset.source, "oriented", lambda group: (made.append(group), oriented(group))[1])
    for copy in range(8):
        dataset.__getitems__([(0, copy), (0, 16 + copy)])
    assert made == [0, 1]


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_a_worker_meets_its_molecules_again(molecules, workers):
    """Loaders give batches to workers in turn."""
    whole = _counting(molecules * 16, augment=NONE)
    groups, batch = 96, 8
    parts = [StepDataset(whole.source, whole.draws, _Counted(SCAN)) for _ in range(workers)]
    sampler = EpochSampler(len(whole), groups * 16, mutants=2, copies=8, block=12 * batch // 2)
    keys = list(sampler)
    for i in range(0, len(keys), batch):
        parts[i // batch % workers].__getitems__(keys[i : i + batch])
    assert sum(sum(part.images.rendered) for part in parts) == groups * 3


@pytest.mark.parametrize(("pixels", "mutants"), [(16, 1), (64, 4), (128, 4), (200, 1)])
def test_blocks_are_whole_batches_that_are_kept(molecules, pixels, mutants):
    scan = Scan(pixels=(pixels, pixels))
    dataset = _dataset(molecules, scan, augment=NONE, mutants=mutants)
    block = dataset.block(32)
    batches, rest = divmod(block * mutants, 32)
    assert rest == 0 and batches and (batches % 12 == 0 or batches in (1, 2, 4))
    size = block * (1 + mutants) * 10 * pixels**2 * 4
    assert size <= dataset._stacks.kept.limit / 2 < size * 12
    # Parts of a batch, where it is too large.
    assert 1 <= dataset.block(10**9) * (1 + mutants) * 10 * pixels**2 * 4 <= dataset._stacks.kept.limit / 2


def test_completed_batches_are_those_of_the_data_set(molecules):
    steps, deferred = (_dataset(molecules, defer=defer) for defer in (False, True))
    sampler = EpochSampler(len(steps), 64, mutants=2, copies=8, block=2)
    mixed = [(0, i) for i in (0, 1, 8, 9, 40, 17)]
    for keys in (sampler, mixed):
        usual = step_loader(steps, 6, sampler=keys)
        for late, batch in zip(step_loader(deferred, 6, sampler=keys), usual, strict=True):
            assert "reference" not in late
            late = deferred.complete(late)
            assert set(late.keys()) == set(batch.keys())
            for key, value in batch.items():
                same = torch.equal(late[key], value) if torch.is_tensor(value) else late[key] == value
                assert same, key


def test_copies_in_one_deferred_batch_are_rendered_once(molecules):
    whole = _dataset(molecules)
    dataset = StepDataset(whole.source, whole.draws, _Counted(SCAN), defer=True)
    batch = Batch.from_data_list(dataset.__getitems__([(0, i) for i in (0, 1, 2, 8, 9)]))
    dataset.complete(batch)
    assert dataset.images.rendered == [1 + 2]


def test_stored_references_have_copies(molecules):
    stored = StoredReferences(STORED, "torch")
    dataset = StepDataset(stored.molecules, StepDraws(copies=4, augment=NONE, mutants=2), stored)
    single = StepDataset(stored.molecules, StepDraws(augment=NONE, mutants=2), stored)
    for pair in range(4):
        for copy in (0, 3):
            sample, plain = dataset[0, 4 * pair + copy], single[0, pair]
            turn = dict(json.loads(sample.drawn)["frame"])["Turn"]
            for name in ("reference", "simulated"):
                expected = plain[name].flip(-1) if turn["mirror"] else plain[name]
                expected = expected.rot90(-turn["turns"], dims=(-2, -1))
                assert torch.allclose(sample[name], expected, atol=1e-5)


def test_bad_input(molecules):
    with pytest.raises(InputError, match="copies: expected at most 4"):
        _dataset(molecules, WIDE, augment=NONE)
