import numpy as np
import pytest
import torch

from torch_afm.data import AFMData
from torch_afm.io import AFMStack, write_stack
from torch_afm.io.hdf5 import StoredSample, pack_samples
from torch_afm.style import read_stacks
from torch_afm.utils import InputError


def test_files_and_folders(tmp_path):
    rng = np.random.default_rng(0)
    values = [rng.normal(size=(c, 3, 8, 9)).astype(np.float32) for c in (1, 2)]
    for i, stack in enumerate(values):
        write_stack(tmp_path / f"{i}.npz", AFMStack(stack, np.arange(9), np.arange(8), -np.arange(3)))
    found = read_stacks(tmp_path)
    assert torch.equal(torch.stack(found), torch.from_numpy(np.concatenate(values)))
    assert len(read_stacks(tmp_path / "1.npz")) == 2


def test_rendered_training_data(tmp_path):
    graph = AFMData(
        z=torch.tensor([6]), pos=torch.zeros(1, 3), charge=torch.zeros(1), edge_index=torch.zeros(2, 0).long()
    )
    stacks = torch.randn(2, 1, 3, 8, 9, generator=torch.manual_seed(0))
    samples = [StoredSample(graph, stack, 4.0, (0.0, 0.0), 0.0, 0, 0, i) for i, stack in enumerate(stacks)]
    (tmp_path / "stacks-00000.h5").write_bytes(pack_samples(samples))
    # float16 of a slice's deviations rounds by 2^-11 of them.
    torch.testing.assert_close(torch.stack(read_stacks(tmp_path)), stacks[:, 0], rtol=0, atol=4e-3)


def test_nothing_there(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError, match="expected a stack file"):
            read_stacks(path)
