import numpy as np
import pytest
import torch

from torch_afm.config import Scaling
from torch_afm.data import AFMData
from torch_afm.io import AFMStack, write_stack
from torch_afm.io.hdf5 import StoredSample, pack_samples
from torch_afm.style import UnpairedCrops, read_stacks
from torch_afm.utils import InputError

#: Scales nothing.
SAME = Scaling("fixed", -1, 1, 1.0)


def coded(stack, depth, height, width):
    """Values that tell where they come from."""
    z, y, x = torch.meshgrid(*(torch.arange(n) for n in (depth, height, width)), indexing="ij")
    return (((stack * 10 + z) * 100 + y) * 100 + x).double().float()


def test_one_window_one_run_of_slices_one_flip_for_a_stack():
    a, b = [coded(1, 5, 12, 14), coded(2, 4, 20, 9)], [coded(3, 6, 16, 16)]
    crops = UnpairedCrops(a, b, SAME, SAME, crop=8, slices=3, size=10, seed=4)
    flips, seen = 0, set()
    for index in range(200):
        for part in crops[0, index]:
            x, y, z = part % 100, part // 100 % 100, part // 10_000 % 10
            assert part.shape == (3, 8, 8)
            step = float(x[0, 0, 1] - x[0, 0, 0])
            assert step in (-1, 1) and (x.diff(dim=2) == step).all() and (x == x[:1, :1]).all()
            assert (y.diff(dim=1) == 1).all() and (z.diff(dim=0) == 1).all() and (z == z[:, :1, :1]).all()
            flips += step < 0
            seen.add(int(part[0, 0, 0]) // 100_000)
    assert seen == {1, 2, 3} and 150 < flips < 250
    unflipped = UnpairedCrops(a, b, SAME, SAME, crop=8, slices=3, size=10, seed=4, flip=False)
    assert all((part.diff(dim=2) == 1).all() for index in range(50) for part in unflipped[0, index])


def test_draws_follow_from_seed_epoch_and_index():
    stacks = [torch.randn(3, 20, 20, generator=torch.manual_seed(i)) for i in range(4)]
    one, same, other = (UnpairedCrops(stacks, stacks, SAME, SAME, 8, 2, 9, seed) for seed in (1, 1, 2))
    for x, y, equal in ((one[2, 3], same[2, 3], True), (one[2, 3], one[3, 3], False),
                        (one[2, 3], one[2, 4], False), (one[2, 3], other[2, 3], False)):  # fmt: skip
        assert all(torch.equal(p, q) for p, q in zip(x, y, strict=True)) == equal
    assert len(one) == 9 and str(one) == "UnpairedCrops(4 and 4 stacks, 9 pairs)"


def test_scaled_by_whole_slices():
    stack = torch.randn(2, 40, 40, generator=torch.manual_seed(0)) * 5 - 20
    crops = UnpairedCrops([stack], [stack], Scaling(fill=0.5), Scaling("fixed", -50, 10), 40, 2)
    for part, low, high, fill in zip(crops[0, 0], (None, -50), (None, 10), (0.5, 0.8), strict=True):
        for z in range(2):
            bottom, top = (stack[z].min(), stack[z].max()) if low is None else (low, high)
            expected = fill * (2 * stack[z] - bottom - top) / (top - bottom)
            got = part[z]
            matches = [torch.allclose(got, e, atol=1e-5) for e in (expected, expected.flip(1))]
            assert any(matches)


def test_wrong_stacks():
    good = torch.zeros(3, 16, 16)
    for a, match in (
        ([], "a: expected at least one stack"),
        ([torch.zeros(3, 16, 7)], "a: expected stacks"),
        ([torch.zeros(1, 16, 16)], r"of at least \[2, 8, 8\]"),
        ([torch.full((3, 16, 16), torch.nan)], "a: expected finite"),
    ):
        with pytest.raises(InputError, match=match):
            UnpairedCrops(a, [good], SAME, SAME, 8, 2)


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
