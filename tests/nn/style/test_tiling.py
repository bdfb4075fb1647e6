"""Images in pieces."""

import pytest
import torch

from torch_afm.nn.style import slice_windows, translate_tiled
from torch_afm.utils import InputError


def images(height, width):
    return torch.randn(2, 3, height, width, generator=torch.manual_seed(0))


@pytest.mark.parametrize("size", [(8, 9), (31, 33), (45, 17), (101, 64), (65, 87)])
@pytest.mark.parametrize("overlap", [0, 7, 16])
def test_a_network_that_changes_nothing_gives_the_very_numbers_back(size, overlap):
    seen = []

    def same(x):
        seen.append(x.shape[2:])
        assert not any(side % 4 for side in x.shape[2:]) and max(x.shape[2:]) <= 32
        return x

    stack = images(*size)
    assert torch.equal(translate_tiled(same, stack, 32, overlap), stack)
    assert len(seen) == 1 if max(size) <= 32 else len(seen) > 1


def test_a_local_operation_has_no_seams():
    # A convolution of 5 pixels reaches 2 across a tile's edge, where tiles count half or less of the whole.
    kernel = torch.ones(1, 1, 5, 5) / 25

    def blur(x):
        return torch.nn.functional.conv2d(torch.nn.functional.pad(x, (2, 2, 2, 2), "reflect"), kernel)

    image = images(90, 70)[:, :1]
    whole = blur(image)
    faded = (translate_tiled(blur, image, 32, 16) - whole).abs().max()
    cut = (translate_tiled(blur, image, 32, 0) - whole).abs().max()
    assert float(faded) < 0.35 * float(cut)


def test_weights_of_tiles_written_out():
    # Each tile answers with its number: on 48 pixels two tiles of 32 share 16, fading over them.
    count = iter(range(9))
    out = translate_tiled(
        lambda x: torch.full_like(x, next(count)), torch.zeros(1, 1, 8, 48).double(), 32, 16
    )
    rise = torch.arange(1, 17, dtype=torch.float64)
    expected = torch.cat([torch.zeros(16), rise / 17, torch.ones(16)])
    torch.testing.assert_close(out[0, 0, 3], expected.double())


def test_channels_may_change():
    assert translate_tiled(lambda x: x[:, :1] * 2, images(40, 41), 32, 8).shape == (2, 1, 40, 41)


#: What is refused.
REFUSED = [
    ((1, 1, 7, 9), 32, 8, "at least 8"),
    ((1, 9, 9), 32, 8, "images"),
    ((1, 1, 9, 9), 30, 8, "multiple of 4"),
    ((1, 1, 9, 9), 32, 17, "half a tile"),
    ((1, 1, 9, 9), 32, -1, "half a tile"),
]


def test_wrong_arguments():
    for shape, tile, overlap, match in REFUSED:
        with pytest.raises(InputError, match=match):
            translate_tiled(lambda x: x, torch.zeros(shape), tile, overlap)


def test_neighbors_written_out():
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
