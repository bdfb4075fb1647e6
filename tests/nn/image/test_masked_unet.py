import itertools

import pytest
import torch

from torch_afm.nn import MaskedBlock, MaskedUNet, PixelNorm

CHANNELS = [(4,), (4, 6), (4, 6, 8)]


def _net(channels=(4, 6, 8)):
    torch.manual_seed(0)
    return MaskedUNet(3, 2, channels).double().eval()


def _inputs(height, width, seed=1):
    """An image, maps and where they are measured: all but a part of a corner."""
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(1, 3, 2 * height, 2 * width, generator=generator, dtype=torch.float64)
    maps = torch.randn(1, 2, height, width, generator=generator, dtype=torch.float64)
    measured = torch.ones(1, 1, height, width, dtype=torch.bool)
    measured[..., : height // 3, : width // 5] = False
    return image, maps, measured


def test_norm_is_the_equation():
    norm = PixelNorm(5).double()
    norm.weight.data = torch.rand(5, dtype=torch.float64)
    x = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    mean, var = x.mean(dim=1, keepdim=True), x.var(dim=1, correction=0, keepdim=True)
    expected = norm.weight.view(5, 1, 1) * (x - mean) / (var + 1e-5).sqrt()
    torch.testing.assert_close(norm(x), expected)
    assert norm(torch.zeros(1, 5, 2, 2, dtype=torch.float64)).abs().max() == 0


def test_block_is_the_equation():
    torch.manual_seed(0)
    block, x = MaskedBlock(4).double(), torch.randn(2, 4, 6, 5, dtype=torch.float64)
    for conv in (block.conv1, block.conv2):
        torch.nn.init.normal_(conv.bias)
    mask = (torch.rand(2, 1, 6, 5) < 0.7).double().expand(-1, 4, -1, -1)
    x = x * mask
    hidden = torch.nn.functional.conv2d(block.norm(x), block.conv1.weight, block.conv1.bias, padding=1)
    hidden = hidden.clamp(min=0) * mask
    moved = torch.nn.functional.conv2d(hidden, block.conv2.weight, block.conv2.bias, padding=1)
    torch.testing.assert_close(block(x, mask), x + moved * mask)


@pytest.mark.parametrize("channels", CHANNELS)
def test_features_are_those_of_a_crop_beyond_the_receptive_field(channels):
    net = _net(channels)
    step = net.multiple // 2
    reach = int((net.receptive_field + 1.5) // 2)  # pixels of the maps from which on an edge is out of sight
    size = -(-(2 * reach + 6) // step) * step
    image, maps, measured = _inputs(size + 3 * step, size + 2 * step)
    whole = net(image, maps, measured)
    top, left = step, 2 * step
    rows, columns = slice(top, top + size), slice(left, left + size)
    crop = net(
        image[..., 2 * top : 2 * (top + size), 2 * left : 2 * (left + size)],
        maps[..., rows, columns],
        measured[..., rows, columns],
    )
    difference = (whole[..., rows, columns] - crop).abs().amax(dim=(0, 1))
    assert difference[reach:-reach, reach:-reach].max() < 1e-12 and difference.max() > 1e-6


@pytest.mark.parametrize("channels", CHANNELS)
def test_the_receptive_field_ends_where_it_says(channels):
    net = _net(channels)
    step, field = net.multiple // 2, net.receptive_field
    size = -(-int(field + 2) // step) * step
    image, maps, measured = _inputs(2 * size, step)
    measured[:] = True
    image.requires_grad_()
    mixed = torch.randn(channels[0], 1, dtype=torch.float64)  # the norm leaves a plain sum nothing to tell
    farthest = 0.0
    for row in range(size, size + step):  # each place of a pixel among those of a coarsest one
        (gradient,) = torch.autograd.grad((mixed * net(image, maps, measured)[0, :, row]).sum(), image)
        seen = gradient.abs().amax(dim=(0, 1, 3)).nonzero().flatten()
        middle = 2 * row + 0.5
        farthest = max(farthest, middle - float(seen[0]), float(seen[-1]) - middle)
    assert farthest == field


def test_a_shift_of_the_image_shifts_the_features():
    net = _net()
    image, maps, measured = _inputs(96, 96)
    here = net(image, maps, measured)
    step = net.multiple // 2
    moved = [t.roll((s * step, 2 * s * step), (2, 3)) for t, s in ((image, 2), (maps, 1), (measured, 1))]
    there = net(*moved)
    inner = slice(44, 52)
    expected = here[..., 44 - step : 52 - step, 44 - 2 * step : 52 - 2 * step]
    torch.testing.assert_close(there[..., inner, inner], expected, rtol=0, atol=1e-12)


def test_what_is_not_measured_is_as_if_it_were_beyond_the_edge():
    net = _net()
    image, maps, measured = _inputs(16, 20)
    alone = net(image, maps, measured)
    step = net.multiple // 2
    pad = torch.nn.functional.pad
    wide = net(
        pad(image, (2 * step, 0, 4 * step, 2 * step)),
        # Atoms are painted there, too.
        pad(maps, (step, 0, 2 * step, step), value=3.0),
        pad(measured, (step, 0, 2 * step, step)),
    )
    torch.testing.assert_close(wide[..., 2 * step : -step, step:], alone, rtol=0, atol=1e-12)
    outside = torch.ones_like(wide[0, 0], dtype=torch.bool)
    outside[2 * step : -step, step:] = ~measured[0, 0]
    assert wide[..., outside].abs().max() == 0 and alone[..., measured[0, 0]].abs().max() > 0


def test_images_of_a_batch_do_not_mix():
    net = _net()
    parts = [_inputs(8, 12, seed) for seed in (1, 2)]
    both = net(*(torch.cat(pair) for pair in zip(*parts, strict=True)))
    for out, part in zip(both, parts, strict=True):
        torch.testing.assert_close(out[None], net(*part))


def test_every_parameter_learns():
    net = _net().train()
    net(*_inputs(8, 12)).pow(3).sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_sizes():
    net = MaskedUNet(41, 12, (48, 96, 192))
    assert (net.multiple, net.receptive_field) == (8, 63.5)
    for name in ("down_convs", "up_convs"):
        shapes = [layer.in_channels for layer in getattr(net, name)]
        assert shapes == [a if name == "down_convs" else b for a, b in itertools.pairwise((48, 96, 192))]
