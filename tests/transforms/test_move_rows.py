import numpy as np
import torch
from scipy.ndimage import map_coordinates

from torch_afm.transforms.move_rows import move_rows


def test_against_scipy():
    rng = np.random.default_rng(0)
    stack = torch.from_numpy(rng.normal(size=(2, 2, 3, 9, 11)))
    dx, dy = rng.uniform(-14, 14, (2, 3, 9)), rng.uniform(-5, 5, (2, 3, 9))
    out = move_rows(stack, dx, dy).numpy()
    x, y = np.arange(11), np.arange(9)[:, None]
    for b, c, z in np.ndindex(2, 2, 3):
        at = np.broadcast_arrays(y + dy[b, z][:, None], x + dx[b, z][:, None])
        expected = map_coordinates(stack[b, c, z].numpy(), at, order=1, mode="nearest")
        np.testing.assert_allclose(out[b, c, z], expected, atol=1e-12)


def test_whole_pixels_are_exact_and_nothing_moves_nothing():
    stack = torch.randn(1, 1, 2, 6, 7, generator=torch.manual_seed(0))
    none = np.zeros((1, 2, 6))
    assert torch.equal(move_rows(stack, none, none), stack)
    moved = move_rows(stack, none + 2, none - 1)
    torch.testing.assert_close(moved[..., 1:, :-2], stack[..., :-1, 2:], rtol=0, atol=0)


def test_a_single_row_or_column():
    stack = torch.randn(1, 1, 1, 1, 5)
    none = np.zeros((1, 1, 1))
    assert torch.equal(move_rows(stack, none, none + 3), stack)
    stack, none = stack.transpose(3, 4), np.zeros((1, 1, 5))
    assert torch.equal(move_rows(stack, none + 3, none), stack)
