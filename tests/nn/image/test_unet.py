import pytest
import torch

from torch_afm.nn import GatedUNet, SkipGate


def _double(module):
    generator = torch.Generator().manual_seed(0)
    for value in (*module.parameters(), *(b for b in module.buffers() if b.is_floating_point())):
        value.data = torch.rand(value.shape, generator=generator, dtype=torch.float64) / value.numel() ** 0.5
    return module.double().eval()


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_a_shift_of_the_image_shifts_the_maps(stride):
    net = _double(GatedUNet(3, 2, (4, 6, 8), 5, stride))
    generator = torch.Generator().manual_seed(1)
    # So large that the edges, whose padding is no part of the image, are out of sight; a multiple of what the
    # deepest level halves to.
    size, step = 96, 4
    image = torch.zeros(1, 3, size * stride, size * stride, dtype=torch.float64)
    maps = torch.zeros(1, 2, size, size, dtype=torch.float64)
    inner = slice(44 * stride, 52 * stride)
    image[..., inner, inner] = torch.rand(8 * stride, 8 * stride, generator=generator, dtype=torch.float64)
    maps[..., 44:52, 44:52] = torch.rand(8, 8, generator=generator, dtype=torch.float64)
    query = torch.rand(1, 5, generator=generator, dtype=torch.float64)
    here = net(image, maps, query)
    there = net(image.roll(step * stride, 3), maps.roll(step, 3), query)
    assert here.shape == (1, 4, size, size)
    torch.testing.assert_close(there[..., 36:60, 40:60], here[..., 36:60, 36:56], rtol=0, atol=1e-12)
    assert (here[..., 36:60, 36:56] - here[..., 36:60, 40:60]).abs().max() > 1e-3


def test_graphs_of_a_batch_do_not_mix():
    net = _double(GatedUNet(3, 2, (4, 6), 5))
    generator = torch.Generator().manual_seed(2)
    image = torch.rand(3, 3, 16, 16, generator=generator, dtype=torch.float64)
    maps = torch.rand(3, 2, 8, 8, generator=generator, dtype=torch.float64)
    query = torch.rand(3, 5, generator=generator, dtype=torch.float64)
    whole = net(image, maps, query)
    one = net(image[1:2], maps[1:2], query[1:2])
    torch.testing.assert_close(whole[1:2], one)
    other = query.clone()
    other[1] += 1
    changed = (net(image, maps, other) - whole).abs().amax(dim=(1, 2, 3))
    assert changed[1] > 1e-6 and changed[0] == changed[2] == 0


def test_gate_is_the_equation():
    gate = _double(SkipGate(3, 2, 4))
    generator = torch.Generator().manual_seed(3)
    x, g = (torch.rand(2, c, 6, 7, generator=generator, dtype=torch.float64) for c in (3, 2))
    q = torch.rand(2, 4, generator=generator, dtype=torch.float64)
    w_x, w_g, psi = (c.weight[:, :, 0, 0] for c in (gate.skip_conv, gate.gate_conv, gate.score_conv))
    b, i, j = 1, 4, 2
    hidden = w_x @ x[b, :, i, j] + w_g @ g[b, :, i, j] + gate.query_lin(q[b])
    alpha = (psi @ hidden.relu() + gate.score_conv.bias).sigmoid()
    torch.testing.assert_close(gate(x, g, q)[b, :, i, j], alpha * x[b, :, i, j])
