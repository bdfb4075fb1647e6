import pytest
import torch

from torch_afm.nn.style import slice_windows
from torch_afm.utils import InputError


def test_neighbours_written_out():
    stack = torch.arange(2 * 4).reshape(2, 4, 1, 1).float()
    got = slice_windows(stack, 2)[:, :, 0, 0].tolist()
    assert got == [
        [0, 0, 0, 1, 2], [0, 0, 1, 2, 3], [0, 1, 2, 3, 3], [1, 2, 3, 3, 3],
        [4, 4, 4, 5, 6], [4, 4, 5, 6, 7], [4, 5, 6, 7, 7], [5, 6, 7, 7, 7],
    ]  # fmt: skip
    assert torch.equal(slice_windows(stack, 0), stack.reshape(8, 1, 1, 1))
    with pytest.raises(InputError, match="context"):
        slice_windows(stack, -1)
    with pytest.raises(InputError, match="stack"):
        slice_windows(stack[0], 1)
