from torch_afm.config import Scan
from torch_afm.datasets import AFMDataset, step_loader
from torch_afm.testing import benzene, water


def test_batches_know_the_sample_of_each_missing_atom():
    scan = Scan(pixels=(8, 8), n_slices=2, n_oscillation=3)
    dataset = AFMDataset([water(), benzene()], scan, rotations=3, candidates=10)
    batches = list(step_loader(dataset, 4))
    assert [b.num_graphs for b in batches] == [4, 2]
    singles = [dataset[i] for i in range(4)]
    assert batches[0].missing_z_batch.bincount(minlength=4).tolist() == [s.num_missing for s in singles]
    assert batches[0].drawn == [s.drawn for s in singles]
