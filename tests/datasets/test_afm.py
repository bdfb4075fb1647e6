import pickle

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch_geometric.data import Batch

from torch_afm.config import Scan, Tip
from torch_afm.data import from_smiles
from torch_afm.datasets import AFMDataset
from torch_afm.ppm import ProbeParticleModel
from torch_afm.transforms import NormalizeSlices, Orient, RandomTip
from torch_afm.utils import InputError

SCAN = Scan(pixels=(16, 12), n_slices=4, n_oscillation=4)


@pytest.fixture(scope="module")
def molecules():
    return [from_smiles(s) for s in ("Oc1ccccc1Cl", "CC(=O)OC", "C1CCCCC1N")]


def _dataset(molecules, **kwargs):
    return AFMDataset(molecules, SCAN, **({"rotations": 4, "candidates": 50, "seed": 1} | kwargs))


def _same(a, b):
    assert a.keys() == b.keys()
    return all(torch.equal(a[k], b[k]) for k in a.keys() if torch.is_tensor(a[k]))  # noqa: SIM118


@pytest.mark.parametrize("known", [False, True])
def test_stacks_are_those_of_the_whole_molecule_and_of_the_mutant(molecules, known):
    dataset = _dataset(molecules, augment=False, keep_deep=known, true_elements=known)
    dataset.random_tip = RandomTip(radius=0.0, distance=0.0)
    render = ProbeParticleModel(SCAN, Tip(), dtype=torch.float64, backend="torch")
    for i in (0, 5, 10):
        sample = dataset[i]
        whole = Orient(Rotation.from_quat(dataset.quaternions[i // 4, i % 4]))(molecules[i // 4].clone())
        expected = NormalizeSlices()(render(whole).double())
        assert torch.allclose(sample.reference.double(), expected, atol=2e-3)
        # The mutant again, from the targets: present = whole - missing - deep.
        gone = (whole.pos[:, None] == sample.missing_pos[None]).all(-1).any(1)
        if not known:
            gone |= whole.pos[:, 2] < -0.7
        mutant = whole.clone()
        mutant.z, mutant.pos, mutant.charge = (whole[k][~gone] for k in ("z", "pos", "charge"))
        if not known:
            mutant.z = torch.where(mutant.z == 1, 1, 6)
            mutant.charge = torch.zeros_like(mutant.charge)
        expected = NormalizeSlices()(render(mutant, z_top=sample.z_top).double())
        assert torch.allclose(sample.simulated.double(), expected, atol=2e-3)


def test_graph_is_cut_and_complete(molecules):
    dataset = _dataset(molecules)
    for i in range(len(dataset)):
        sample = dataset[i]
        together = torch.cat([sample.pos, sample.missing_pos])
        assert together[:, 2].max() == 0 and together[:, 2].min() >= -0.7
        assert sample.reference.shape == sample.simulated.shape == (1, 1, 4, 12, 16)
        if sample.num_missing == 0:
            assert sample.missing_pos.shape == (0, 3)


def test_batches_and_order_do_not_matter(molecules):
    dataset = _dataset(molecules)
    alone = [dataset[i] for i in range(6)]
    together = dataset.__getitems__([5, 4, 3, 2, 1, 0])[::-1]
    assert all(_same(a, b) for a, b in zip(alone, together, strict=True))


def test_epochs_differ_and_seeds_repeat(molecules):
    dataset = _dataset(molecules)
    assert _same(dataset[3], dataset[(0, 3)])
    assert not torch.equal(dataset[(1, 3)].reference, dataset[3].reference)
    assert _same(_dataset(molecules)[(7, 3)], dataset[(7, 3)])
    assert not torch.equal(_dataset(molecules, seed=2)[3].reference, dataset[3].reference)


def test_tips_of_the_two_stacks_are_drawn_independently(molecules):
    dataset = _dataset(molecules, augment=False, keep_deep=True, true_elements=True)
    # Where nothing was removed both stacks image the same atoms, and differ by their tips alone.
    whole = next(s for s in (dataset[(e, 0)] for e in range(200)) if s.num_missing == 0)
    assert not torch.allclose(whole.reference, whole.simulated, atol=0.05)


def test_every_sample_has_the_same_keys_and_collates(molecules):
    dataset = _dataset(molecules)
    samples = [dataset[i] for i in range(12)]
    assert len({tuple(sorted(s.keys())) for s in samples}) == 1
    batch = Batch.from_data_list(samples)
    assert batch.reference.shape == (12, 1, 4, 12, 16)
    assert batch.missing_graph.bincount(minlength=12).tolist() == [s.num_missing for s in samples]


def test_pickles(molecules):
    dataset = _dataset(molecules)
    first = dataset[2]
    assert _same(pickle.loads(pickle.dumps(dataset))[2], first)


def test_bad_input(molecules):
    with pytest.raises(InputError, match="molecules"):
        _dataset([])


def test_rotations_are_the_best(molecules):
    dataset = _dataset(molecules)
    assert dataset.quaternions.shape == (3, 4, 4) and len(dataset) == 12
    assert np.allclose(np.linalg.norm(dataset.quaternions, axis=-1), 1)
