"""Features of seeded random convolutions."""

import pytest
import torch
from torch import nn

from torch_afm.metrics.images import RandomConvolutions
from torch_afm.utils import InputError


def test_it_is_a_network_of_stock_layers():
    module = RandomConvolutions(in_channels=2, width=4, layers=2, seed=3)
    images = torch.randn(3, 2, 16, 20, generator=torch.Generator().manual_seed(0))
    expected = []
    h = images
    for i in range(2):
        layer = nn.Conv2d(h.shape[1], 4, 3, padding=1)
        layer.load_state_dict({key: module.get_buffer(f"{key}_{i}") for key in ("weight", "bias")})
        h = layer(h).relu()
        expected += [h.flatten(2).mean(2), h.flatten(2).var(2, correction=0).sqrt()]
        h = nn.AvgPool2d(2)(h)
    torch.testing.assert_close(module(images), torch.cat(expected, dim=1))
    assert not list(module.parameters())


def test_seeds_and_the_callers_generator():
    images = torch.ones(1, 1, 8, 8)
    state = torch.get_rng_state()
    same, again, other = (RandomConvolutions(seed=s)(images) for s in (1, 1, 2))
    assert torch.equal(same, again)
    assert not torch.equal(same, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_shifts_along_the_image_hardly_matter():
    """Averages over maps know of textures, not of places: a circular shift touches the edges only."""
    image = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    module = RandomConvolutions()
    near = (module(image) - module(image.roll((8, 16), dims=(2, 3)))).norm()
    assert near < 0.1 * (module(image) - module(2 * image)).norm()


def test_bad_input():
    with pytest.raises(InputError, match="expected 1 or more, got 1, 0, 3"):
        RandomConvolutions(width=0)
    with pytest.raises(InputError, match=r"expected \[N, 1, Y, X\] .* got \[1, 2, 8, 8\]"):
        RandomConvolutions()(torch.zeros(1, 2, 8, 8))
