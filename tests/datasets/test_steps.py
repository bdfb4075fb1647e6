import json
import pickle

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData, from_smiles
from torch_afm.datasets import AFMDataset, StepDataset, StepDraws, StepRenderer, step_loader
from torch_afm.datasets.draws import distinct_references
from torch_afm.functional import normalize_slices
from torch_afm.ppm import ProbeParticleModel
from torch_afm.transforms import (
    Augment,
    CropSlices,
    CropWindow,
    Cutout,
    Noise,
    Orient,
    Plane,
    RandomTip,
    SliceShift,
    Turn,
    change_graphs,
)
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt

SCAN = Scan(pixels=(18, 18), n_slices=5, n_oscillation=4)
PLAIN = Scan(pixels=(16, 12), n_slices=4, n_oscillation=4)
STILL = RandomTip(radius=0.0, distance=0.0)
FRAME = (Turn(), CropSlices(4, 2), CropWindow((16, 15)))
NONE = Augment(stack=())
ALL = Augment(FRAME, (Plane(), Noise(), SliceShift(), Cutout()))


@pytest.fixture(scope="module")
def molecules():
    return [from_smiles(s) for s in ("Oc1ccccc1Cl", "CC(=O)OC", "C1CCCCC1N")]


def _dataset(molecules, defer=False, **draws):
    settings = {"seed": 1, "augment": ALL, "mutants": 3} | draws
    return AFMDataset(molecules, SCAN, StepDraws(**settings), rotations=2, candidates=50, defer=defer)


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
    replayed = _dataset(molecules, augment=NONE, mutants=1).replay([s.drawn for s in samples[::-1]])
    for sample, key, again in zip(samples, keys, replayed[::-1], strict=True):
        _assert_same(sample, dataset[key])
        _assert_same(sample, again)


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


def test_dipoles_are_replayed_and_rendered_by_deferred_samples_too(molecules):
    molecules = _with_dipoles(molecules)
    dataset, late = _dataset(molecules), _dataset(molecules, defer=True)
    keys = [(1, i) for i in (0, 1, 2, 9, 10, 3)]
    samples = dataset.__getitems__(keys)
    replayed = _dataset(molecules, augment=NONE, mutants=1).replay([s.drawn for s in samples])
    for sample, again in zip(samples, replayed, strict=True):
        _assert_same(sample, again)
    batch = late.complete(Batch.from_data_list(late.__getitems__(keys)))
    expected = Batch.from_data_list(samples)
    assert sorted(batch.keys()) == sorted(expected.keys())
    for key in ("reference", "simulated", "dipole"):
        assert torch.allclose(batch[key], expected[key], atol=1e-5)
    # Other dipoles are other references.
    for molecule in molecules:
        molecule.dipole *= 2
    doubled = _dataset(molecules).__getitems__(keys)
    for sample, other in zip(samples, doubled, strict=True):
        assert sample.drawn == other.drawn and sample.reference_id != other.reference_id
        assert not torch.equal(sample.reference, other.reference)
        assert torch.equal(sample.simulated, other.simulated)


def test_shared_references_are_rendered_once(molecules, monkeypatch):
    dataset = _dataset(molecules)
    launches = []
    render = StepRenderer.render

    def counted(self, graphs, moves, z_top):
        launches.append(len(graphs))
        return render(self, graphs, moves, z_top)

    monkeypatch.setattr(StepRenderer, "render", counted)
    samples = dataset.__getitems__([(0, i) for i in (0, 1, 2, 9, 10, 3)])
    assert launches == [3 + 6]
    ids = torch.cat([sample.reference_id for sample in samples]).tolist()
    assert len({*ids}) == 3 and ids[0] == ids[1] == ids[2] and ids[3] == ids[4]
    draws = dataset.draws.draw([(0, i) for i in (0, 1, 2)], dataset.oriented([0, 0, 0]), SCAN)
    assert distinct_references(draws) == ([0], [0, 0, 0])


def test_ids_tell_references_of_all_data_sets_apart(molecules):
    # Alike in number, seed and draws: other molecules, another tip.
    datasets = [_dataset(molecules), _dataset(molecules[1:]), _dataset(molecules)]
    datasets[2].images.tip = Tip(stiffness=(0.3, 0.3, 20.0))
    ids = [sample.reference_id.item() for dataset in datasets for sample in dataset[:3]]
    assert [len({*ids[i : i + 3]}) for i in (0, 3, 6)] == [1, 1, 1] and len({*ids}) == 3
    assert Batch.from_data_list(list(datasets[0][:4])).reference_id.shape == (4,)
    source, draws, images = (getattr(datasets[0], name) for name in ("source", "draws", "images"))
    changed = StepDataset(source, draws, images, transform=lambda data: data)
    assert "reference_id" not in changed[0]


def test_graph_and_stacks_move_together(molecules):
    dataset = _dataset(molecules, augment=Augment(FRAME, ()), tip=STILL)
    render = ProbeParticleModel(dataset.scan, dtype=torch.float64, backend="torch")
    for sample in dataset.__getitems__(range(0, 18, 2)):
        record = json.loads(sample.drawn)
        known = dict(record["frame"])["CropSlices"]["count"]
        whole = dataset.source.oriented(record["group"])
        change_graphs([whole], SCAN, [record["frame"]])
        mutant = AFMData(z=dataset.classes.representative(dataset.classes.index_of(sample.z)), pos=sample.pos)
        for stack, graph in ((sample.reference, whole), (sample.simulated, mutant)):
            assert stack.shape == (1, 1, 4, 15, 16) and not stack[:, :, : 4 - known].any()
            expected = normalize_slices(render(graph, z_top=sample.z_top).double())
            assert torch.allclose(stack[:, :, -known:].double(), expected[:, :, -known:], atol=5e-3)


def test_bad_input(molecules):
    dataset = _dataset(molecules)
    for drawn in ("no json", "{}", '{"group": 6}', "[]"):
        with pytest.raises(InputError, match="drawn: expected what a sample"):
            dataset.replay([drawn])
    with pytest.raises(InputError, match="mutants"):
        _dataset(molecules, mutants=0)
    with pytest.raises(InputError, match="n_slices: expected 1 to 5"):
        _dataset(molecules, augment=Augment((CropSlices(6),)))
    source, draws, images = (getattr(dataset, name) for name in ("source", "draws", "images"))
    with pytest.raises(InputError, match="transform: expected none for deferred samples"):
        StepDataset(source, draws, images, defer=True, transform=lambda data: data)


def _plain(molecules, **draws):
    return AFMDataset(molecules, PLAIN, StepDraws(**({"seed": 1} | draws)), rotations=4, candidates=50)


def _same(a, b):
    assert a.keys() == b.keys()
    return all(torch.equal(a[k], b[k]) for k in a.keys() if torch.is_tensor(a[k]))  # noqa: SIM118


def _with_dipoles(molecules):
    copies = [molecule.clone() for molecule in molecules]
    for i, molecule in enumerate(copies):
        molecule.dipole = 0.3 * torch.randn(molecule.pos.shape, generator=torch.Generator().manual_seed(i))
    return copies


@pytest.mark.parametrize("dipolar", [False, True])
@pytest.mark.parametrize("known", [False, True])
def test_stacks_are_those_of_the_whole_molecule_and_of_the_mutant(molecules, known, dipolar):
    molecules = _with_dipoles(molecules) if dipolar else molecules
    dataset = _plain(molecules, augment=NONE, keep_deep=known, true_elements=known, tip=STILL)
    render = ProbeParticleModel(PLAIN, Tip(), dtype=torch.float64, backend="torch")
    for i in (0, 5, 10):
        sample = dataset[i]
        whole = Orient(Rotation.from_quat(dataset.source.quaternions[i // 4, i % 4]))(
            molecules[i // 4].clone()
        )
        expected = normalize_slices(render(whole).double())
        assert torch.allclose(sample.reference.double(), expected, atol=2e-3)
        if dipolar:
            # They turn with the molecule, and their part of the image is well above the tolerance.
            rotation = Rotation.from_quat(dataset.source.quaternions[i // 4, i % 4])
            turned = torch.from_numpy(rotation.apply(molecules[i // 4].dipole.double().numpy()))
            assert torch.allclose(whole.dipole.double(), turned, atol=1e-6)
            without = ProbeParticleModel(PLAIN, Tip(), dtype=torch.float64, backend="torch", dipoles=False)
            assert (normalize_slices(without(whole).double()) - expected).abs().max() > 0.05
        # The mutant again, from the targets: present = whole - missing - deep.
        gone = (whole.pos[:, None] == sample.missing_pos[None]).all(-1).any(1)
        if not known:
            gone |= whole.pos[:, 2] < -0.7
        mutant = whole.clone()
        for key in ("z", "pos", "charge", *(["dipole"] if dipolar else [])):
            mutant[key] = whole[key][~gone]
        if not known:
            mutant.dipole = None
            mutant.z = torch.where(mutant.z == 1, 1, 6)
            mutant.charge = torch.zeros_like(mutant.charge)
        expected = normalize_slices(render(mutant, z_top=sample.z_top).double())
        assert torch.allclose(sample.simulated.double(), expected, atol=2e-3)


def test_graph_is_cut_and_complete(molecules):
    dataset = _plain(molecules)
    for i in range(len(dataset)):
        sample = dataset[i]
        together = torch.cat([sample.pos, sample.missing_pos])
        assert together[:, 2].max() == 0 and together[:, 2].min() >= -0.7
        assert sample.reference.shape == sample.simulated.shape == (1, 1, 4, 12, 16)
        if sample.num_missing == 0:
            assert sample.missing_pos.shape == (0, 3)


def test_batches_and_order_do_not_matter(molecules):
    dataset = _plain(molecules)
    alone = [dataset[i] for i in range(6)]
    together = dataset.__getitems__([5, 4, 3, 2, 1, 0])[::-1]
    assert all(_same(a, b) for a, b in zip(alone, together, strict=True))


def test_epochs_differ_and_seeds_repeat(molecules):
    dataset = _plain(molecules)
    assert _same(dataset[3], dataset[(0, 3)])
    assert not torch.equal(dataset[(1, 3)].reference, dataset[3].reference)
    assert _same(_plain(molecules)[(7, 3)], dataset[(7, 3)])
    assert not torch.equal(_plain(molecules, seed=2)[3].reference, dataset[3].reference)


def test_tips_of_the_two_stacks_are_drawn_independently(molecules):
    dataset = _plain(molecules, augment=NONE, keep_deep=True, true_elements=True)
    # Where nothing was removed both stacks image the same atoms, and differ by their tips alone.
    whole = next(s for s in (dataset[(e, 0)] for e in range(200)) if s.num_missing == 0)
    assert not torch.allclose(whole.reference, whole.simulated, atol=0.05)


def test_every_sample_has_the_same_keys_and_collates(molecules):
    dataset = _plain(molecules)
    samples = [dataset[i] for i in range(12)]
    assert len({tuple(sorted(s.keys())) for s in samples}) == 1
    batch = Batch.from_data_list(samples)
    assert batch.reference.shape == (12, 1, 4, 12, 16)
    assert batch.missing_graph.bincount(minlength=12).tolist() == [s.num_missing for s in samples]


def test_a_pickled_data_set_gives_the_same(molecules):
    dataset = _plain(molecules)
    first = dataset[2]
    assert _same(pickle.loads(pickle.dumps(dataset))[2], first)


def test_no_molecules(molecules):
    with pytest.raises(InputError, match="molecules"):
        _plain([])


def test_rotations_are_the_best(molecules):
    dataset = _plain(molecules)
    assert dataset.source.quaternions.shape == (3, 4, 4) and len(dataset) == 12
    assert np.allclose(np.linalg.norm(dataset.source.quaternions, axis=-1), 1)
    assert dataset.molecule_numbers([0, 3, 4, 11]).tolist() == [0, 0, 1, 2]


@pytest.mark.parametrize(("mutants", "workers"), [(1, 0), (3, 1)])
def test_completed_batches_are_those_of_the_data_set(molecules, mutants, workers):
    steps, deferred = (_dataset(molecules, defer=defer, mutants=mutants) for defer in (False, True))
    keys = [(1, i) for i in range(len(steps))]
    usual = step_loader(steps, 6, sampler=keys)
    for late, batch in zip(step_loader(deferred, 6, workers, sampler=keys), usual, strict=True):
        assert "reference" not in late and "simulated" not in late
        late = deferred.complete(late)
        assert set(late.keys()) == set(batch.keys())
        for key, value in batch.items():
            same = torch.equal(late[key], value) if isinstance(value, torch.Tensor) else late[key] == value
            assert same, key
    assert steps.complete(batch) is batch


@pytest.mark.gpu
def test_on_the_device(molecules):
    steps, deferred = (_dataset(molecules, defer=defer, augment=NONE) for defer in (False, True))
    keys = [(0, i) for i in range(6)]
    (late,) = step_loader(deferred, 6, sampler=keys)
    (batch,) = step_loader(steps, 6, sampler=keys)
    late = deferred.complete(late.to("cuda"))
    assert late.reference.is_cuda
    for key in ("missing_pos", "reference", "simulated"):
        torch.testing.assert_close(late[key].cpu(), batch[key], rtol=0, atol=1e-3)
