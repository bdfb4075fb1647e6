import sys

import h5py
import numpy as np
import pytest
import torch

from torch_afm.data import AFMData
from torch_afm.io.hdf5 import SampleFile, StoredSample, dequantize, pack_samples, quantize
from torch_afm.testing import assert_same_graph, benzene, random_graph, water
from torch_afm.utils import InputError

SHAPE = (1, 3, 8, 10)


def _sample(graph, i):
    stack = 5 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(i)) - 100
    return StoredSample(graph, stack, 7.5 + i, (0.1 * i, -0.2), 0.05 - i, i, 2 * i, 3 * i)


@pytest.fixture(scope="module")
def samples():
    single = AFMData(torch.tensor([35]), torch.zeros(1, 3), torch.ones(1), torch.empty(2, 0).long())
    return [_sample(g, i) for i, g in enumerate([water(), single, benzene(), random_graph(40)])]


@pytest.fixture
def path(samples, tmp_path):
    path = tmp_path / "samples.h5"
    path.write_bytes(pack_samples(samples))
    return path


@pytest.mark.parametrize("height", [0.0, 1e-3, 300.0])
def test_rounding_is_within_its_bound(height):
    """A slice of small contrast far from zero, one of large, one of none."""
    rng = np.random.default_rng(0)
    contrast = np.array([1e-2, 30.0, 0.0])[:, None, None]
    stack = (height + contrast * rng.standard_normal((3, 40, 50)) ** 3).astype(np.float32)
    # What float32 itself rounds, in the sum of offset and product.
    float32 = 2.0**-23 * np.abs(stack).max(axis=(1, 2))

    values, scale, offset = quantize(stack, "float16")
    assert values.dtype == np.float16
    error = np.abs(dequantize(values, scale, offset).numpy().astype(float) - stack)
    deviation = np.abs(stack.astype(float) - stack.astype(float).mean(axis=(1, 2), keepdims=True))
    subnormal = 2.0**-25 * stack.std(axis=(1, 2))
    assert (error <= 2.0**-11 * deviation * 1.01 + (2 * float32 + subnormal)[:, None, None]).all()

    values, scale, offset = quantize(stack, "uint8")
    assert values.dtype == np.uint8
    assert values.min(axis=(1, 2)).tolist() == [0, 0, 0] and values.max(axis=(1, 2)).tolist() == [255, 255, 0]
    error = np.abs(dequantize(values, scale, offset).numpy().astype(float) - stack).max(axis=(1, 2))
    assert (error <= np.ptp(stack.astype(float), axis=(1, 2)) / 510 * 1.001 + 2 * float32).all()


def test_stacks_that_cannot_be_stored():
    with pytest.raises(InputError, match="stack: expected finite numbers, got 1 NaN"):
        quantize(np.array([[1.0, np.nan]]), "uint8")
    with pytest.raises(InputError, match="storage: expected one of float16, uint8, got 'int4'"):
        quantize(np.zeros((2, 2)), "int4")


@pytest.mark.parametrize("compression", ["gzip", "lzf", "none"])
@pytest.mark.parametrize("storage", ["float16", "uint8"])
def test_round_trip(samples, tmp_path, storage, compression):
    path = tmp_path / "samples.h5"
    path.write_bytes(pack_samples(iter(samples), storage, compression))
    file = SampleFile(path)
    assert len(file) == 4 and repr(file) == "SampleFile('samples.h5', 4)"
    for i in (2, 0, 3, 1):
        found, expected = file[i], samples[i]
        assert_same_graph(found.graph, expected.graph)
        assert torch.equal(found.stack, dequantize(*quantize(expected.stack.numpy(), storage)))
        for key in ("z_top", "tilt", "distance", "molecule", "rotation", "draw"):
            assert getattr(found, key) == getattr(expected, key)
    file.close()


def test_dipoles_are_stored_and_zero_for_graphs_without(samples, tmp_path):
    dipolar = water()
    dipolar.dipole = torch.randn(3, 3)
    path = tmp_path / "samples.h5"
    path.write_bytes(pack_samples([samples[2], _sample(dipolar, 1)]))
    file = SampleFile(path)
    assert_same_graph(file.graph(1), dipolar)
    assert torch.equal(file.graph(0).dipole, torch.zeros(12, 3))
    file.close()


def test_equal_samples_give_equal_bytes(samples):
    assert pack_samples(samples) == pack_samples(samples)
    with pytest.raises(InputError, match="compression: expected one of gzip, lzf, none, got 'zip'"):
        pack_samples(samples, compression="zip")


def test_any_reader_of_hdf5_understands_the_file(samples, path):
    with h5py.File(path) as file:
        assert file["stack"].chunks == (1, *SHAPE)
        hertz = file["offset"][:][..., None, None] + file["scale"][:][..., None, None] * file["stack"][:]
        assert np.allclose(hertz, torch.stack([s.stack for s in samples]), atol=0.02)
        first, last = file["sample"][2]["atoms"]
        assert np.array_equal(file["atom"][first:last]["pos"], benzene().pos)


def test_a_changed_byte_never_goes_unnoticed(samples, path):
    """Wherever it is: the file is refused, or the samples are those that were written."""
    intact = path.read_bytes()
    expected = [dequantize(*quantize(s.stack.numpy(), "float16")) for s in samples]
    refused = 0
    for at in np.random.default_rng(0).integers(0, len(intact), 300).tolist():
        # A file of its own: HDF5 takes one that was open before for unchanged.
        path = path.with_name(f"{at}.h5")
        path.write_bytes(intact[:at] + bytes([intact[at] ^ 0x10]) + intact[at + 1 :])
        try:
            file = SampleFile(path)
            found = [file[i] for i in range(4)]
        except InputError as error:
            assert str(error).startswith(f"{path}: expected an intact file of training samples (")
            refused += 1
        else:
            for sample, truth, stack in zip(found, samples, expected, strict=True):
                assert_same_graph(sample.graph, truth.graph)
                assert torch.equal(sample.stack, stack)
                assert (sample.tilt, sample.z_top) == (truth.tilt, truth.z_top)
    assert refused > 60


def test_a_truncated_file(path):
    data = path.read_bytes()
    for share in (0.0, 0.3, 0.99):
        # A file of its own: HDF5 takes one that was open before for unchanged.
        cut = path.with_name(f"{share}.h5")
        cut.write_bytes(data[: int(share * len(data))])
        with pytest.raises(InputError, match=r"\.h5: expected an intact file"):
            [SampleFile(cut)[i] for i in range(4)]


def test_no_such_file_and_no_h5py(tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"none\.h5: no such file"):
        SampleFile(tmp_path / "none.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"h5py: .*pip install 'torch_afm\[io\]'"):
        pack_samples([])
